import { RunReader, RunWriter, type RunName, type WrittenRun } from './run-file';

/** What becomes one run. */
export interface RunRequest {
  readonly directory: string;
  /** Fingerprints in any order, alone in their memory. They are sorted there. */
  readonly halves: Uint32Array;
  /** Runs that are merged with them. */
  readonly runs: readonly RunName[];
  /** In shared memory: anything but 0 gives up. */
  readonly stop: Int32Array;
}

/** It looks at `stop` once in this many fingerprints. */
const IDS_PER_LOOK = 16_384;

/**
 * Writes fingerprints and those of other runs as a new run. It keeps its thread busy, and waits for
 * the disk.
 *
 * @returns undefined if it gave up. It leaves no file then, and none if it throws
 * @throws DamagedIndexError; the errors of the file system
 */
export function writeRun({ directory, halves, runs, stop }: RunRequest): WrittenRun | undefined {
  const readers: RunReader[] = [];
  let writer: RunWriter | undefined;
  try {
    for (const run of runs) readers.push(new RunReader(directory, run));
    const room = runs.reduce((sum, { count }) => sum + count, halves.length / 2);
    writer = new RunWriter(directory, room);
    const heads = new Heads(readers, halves);
    while (heads.merge(writer, IDS_PER_LOOK)) {
      if (Atomics.load(stop, 0) === 0) continue;
      writer.abandon();
      return undefined;
    }
    return writer.finish();
  } catch (error) {
    writer?.abandon();
    throw error;
  } finally {
    for (const reader of readers) reader.close();
  }
}

/**
 * The next fingerprint of each source. They are numbers in typed arrays, because objects with a
 * field for each would take several times as long.
 */
class Heads {
  private readonly parts: Uint32Array[] = [];
  private readonly sources: (RunReader | undefined)[] = [];
  private readonly at: Uint32Array;
  private readonly lows: Uint32Array;
  private readonly highs: Uint32Array;
  private count = 0;

  constructor(readers: readonly RunReader[], halves: Uint32Array) {
    const most = readers.length + 1;
    this.at = new Uint32Array(most);
    this.lows = new Uint32Array(most);
    this.highs = new Uint32Array(most);
    for (const reader of readers) this.begin(reader.next(), reader);
    new BigUint64Array(halves.buffer).sort();
    if (halves.length > 0) this.begin(halves, undefined);
  }

  /**
   * Gives the least fingerprints to a writer.
   *
   * @returns false at the end
   */
  merge(writer: RunWriter, most: number): boolean {
    const { parts, at, lows, highs } = this;
    for (let taken = 0; taken < most && this.count > 0; taken += 1) {
      let least = 0;
      let low = lows[0]!;
      let high = highs[0]!;
      for (let i = 1; i < this.count; i += 1) {
        const other = highs[i]!;
        if (other < high || (other === high && lows[i]! < low)) {
          least = i;
          low = lows[i]!;
          high = other;
        }
      }
      writer.add(low, high);
      const part = parts[least]!;
      const next = at[least]! + 2;
      if (next === part.length) this.refill(least);
      else {
        at[least] = next;
        lows[least] = part[next]!;
        highs[least] = part[next + 1]!;
      }
    }
    return this.count > 0;
  }

  private begin(part: Uint32Array | undefined, source: RunReader | undefined): void {
    if (part) this.put(this.count++, part, source);
  }

  private put(i: number, part: Uint32Array, source: RunReader | undefined, at = 0): void {
    this.parts[i] = part;
    this.sources[i] = source;
    this.at[i] = at;
    this.lows[i] = part[at]!;
    this.highs[i] = part[at + 1]!;
  }

  /** Takes the next part of a source. If there is none, the last source takes its place. */
  private refill(i: number): void {
    const source = this.sources[i];
    const part = source?.next();
    if (part) return this.put(i, part, source);
    this.count -= 1;
    this.put(i, this.parts[this.count]!, this.sources[this.count], this.at[this.count]);
  }
}
