import { readBlocks, RunWriter, type Run, type RunName } from './run-file';

/** Blocks that one read takes from a run: 256 KiB. */
const BLOCKS_AT_ONCE = 64;

/** The fingerprints of a run in order, some blocks at a time. */
class RunReader {
  private block = 0;
  private ids: Uint32Array[] = [];
  private inIds = 0;
  private at = 0;
  low = 0;
  high = 0;

  constructor(private readonly run: Run) {}

  /** Whether `fill` has to be called before `next`. */
  get isEmpty(): boolean {
    return this.inIds === this.ids.length;
  }

  /** @returns false at the end of the run */
  async fill(): Promise<boolean> {
    const count = Math.min(BLOCKS_AT_ONCE, this.run.blocks - this.block);
    if (count === 0) return false;
    this.ids = await readBlocks(this.run, this.block, count);
    this.block += count;
    [this.inIds, this.at] = [0, 0];
    this.take();
    return true;
  }

  /** Steps to the next fingerprint; false if `fill` has to be called first. */
  next(): boolean {
    this.at += 2;
    if (this.at === this.ids[this.inIds]!.length) {
      this.at = 0;
      this.inIds += 1;
      if (this.isEmpty) return false;
    }
    this.take();
    return true;
  }

  private take(): void {
    const ids = this.ids[this.inIds]!;
    this.low = ids[this.at]!;
    this.high = ids[this.at + 1]!;
  }
}

/**
 * Merges runs into a new one. Reads and writes wait for the disk, and the merging between them
 * takes some milliseconds, so that other work of the process goes on.
 *
 * @param isStopped whether to give up
 * @returns undefined if it gave up
 * @throws DamagedIndexError; the errors of the file system
 */
export async function mergeRuns(
  directory: string,
  runs: readonly Run[],
  isStopped: () => boolean,
): Promise<RunName | undefined> {
  const room = runs.reduce((sum, { count }) => sum + count, 0);
  const writer = await RunWriter.create(directory, room);
  try {
    const readers: RunReader[] = [];
    for (const run of runs) {
      const reader = new RunReader(run);
      if (await reader.fill()) readers.push(reader);
    }
    while (readers.length > 0) {
      if (isStopped()) {
        await writer.abandon();
        return undefined;
      }
      const ended = mergeUntilOneEnds(readers, writer);
      if (writer.isFull) await writer.flush();
      if (ended !== undefined && !(await ended.fill())) readers.splice(readers.indexOf(ended), 1);
    }
    return await writer.finish();
  } catch (error) {
    await writer.abandon().catch(() => undefined);
    throw error;
  }
}

/** Merges until a reader has to be filled, which is returned, or the writer is full. */
function mergeUntilOneEnds(readers: readonly RunReader[], writer: RunWriter): RunReader | undefined {
  while (!writer.isFull) {
    let least = readers[0]!;
    for (let i = 1; i < readers.length; i += 1) {
      const other = readers[i]!;
      if (other.high < least.high || (other.high === least.high && other.low < least.low)) least = other;
    }
    const { low, high } = least;
    writer.add(low, high);
    for (const reader of readers) {
      if (reader.high === high && reader.low === low && !reader.next()) return reader;
    }
  }
  return undefined;
}

/** Writes fingerprints in any order as a run. */
export async function writeRun(directory: string, halves: Uint32Array): Promise<RunName> {
  const sorted = new BigUint64Array(halves.length / 2);
  const words = new Uint32Array(sorted.buffer);
  words.set(halves);
  sorted.sort();
  const writer = await RunWriter.create(directory, sorted.length);
  try {
    for (let i = 0; i < words.length; i += 2) {
      if (writer.isFull) await writer.flush();
      writer.add(words[i]!, words[i + 1]!);
    }
    return await writer.finish();
  } catch (error) {
    await writer.abandon().catch(() => undefined);
    throw error;
  }
}
