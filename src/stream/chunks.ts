/** What is read of a record. The rest of the record passes through. */
interface Sized {
  readonly offset: number;
  readonly value: Buffer | null;
}

/** A run of records that is rated and applied together: it answers for every offset in [from, next). */
export interface RecordChunk<T extends Sized> {
  readonly from: number;
  readonly next: number;
  readonly records: readonly T[];
}

export interface ChunkLimits {
  readonly maxRecords: number;
  /** Of values together; a single record may be larger. */
  readonly maxBytes: number;
}

/**
 * Cuts records, as they come, into chunks that leave no offset out: each begins where the one before ended. Records
 * below `from` are dropped.
 */
export class ChunkCutter<T extends Sized> {
  private records: T[] = [];
  private bytes = 0;

  /** @param from the first offset to answer for */
  constructor(
    private from: number,
    private readonly limits: ChunkLimits,
  ) {}

  /** Takes the next record, and gives the chunk that ends before it, if one does. */
  add(record: T): RecordChunk<T> | undefined {
    const { offset, value } = record;
    if (offset < this.from) return undefined;
    const size = value === null ? 0 : value.length;
    const { records, bytes, limits } = this;
    if (records.length > 0 && (records.length >= limits.maxRecords || bytes + size > limits.maxBytes)) {
      const chunk = this.end(offset);
      this.records = [record];
      this.bytes = size;
      return chunk;
    }
    records.push(record);
    this.bytes += size;
    return undefined;
  }

  /**
   * The last chunk, up to `next`. It may be empty: the cursor has to pass a range without records too.
   */
  end(next: number): RecordChunk<T> {
    const chunk = { from: this.from, next, records: this.records };
    this.from = next;
    return chunk;
  }
}
