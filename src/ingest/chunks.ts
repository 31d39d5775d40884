/** The part of a record that cutting depends on. */
interface Sized {
  readonly offset: number;
  readonly valueBytes: number;
}

/** A run of offsets that is applied together: every one in [from, next). */
export interface ChunkRange {
  readonly from: number;
  readonly next: number;
}

export interface ChunkLimits {
  readonly maxRecords: number;
  /** The sum of all values. A single record may be larger. */
  readonly maxBytes: number;
}

/** Cuts records into chunks that leave out no offset: each begins where the one before ended. */
export class ChunkCutter {
  private records = 0;
  private bytes = 0;

  /** @param from the first offset of the range */
  constructor(
    private from: number,
    private readonly limits: ChunkLimits,
  ) {}

  /**
   * Takes the next record, which must be in the range. Returns the chunk that ends before it, if
   * one does.
   */
  add({ offset, valueBytes }: Sized): ChunkRange | undefined {
    const { records, bytes, limits } = this;
    const isFull = records > 0 && (records >= limits.maxRecords || bytes + valueBytes > limits.maxBytes);
    const ended = isFull ? this.end(offset) : undefined;
    this.records += 1;
    this.bytes += valueBytes;
    return ended;
  }

  /** Ends the chunk at hand at this offset. There is none if it would be empty. */
  cut(at: number): ChunkRange | undefined {
    return at > this.from ? this.end(at) : undefined;
  }

  /**
   * The last chunk, up to `next`. It may be empty, because the cursor also has to pass a range
   * without records.
   */
  end(next: number): ChunkRange {
    const range = { from: this.from, next };
    this.from = next;
    this.records = 0;
    this.bytes = 0;
    return range;
  }
}
