import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Mutex } from '../lib/process/mutex';
import { FingerprintSet } from './fingerprint-set';
import { FORMAT, readManifest, writeManifest, type Manifest, type Offsets } from './manifest';
import {
  blockOf,
  DamagedIndexError,
  isIn,
  openRun,
  openWritten,
  readBlocks,
  readBlockSync,
  type Run,
} from './run-file';
import type { RunThread } from './run-thread';
import { readTail, TailFile, type IdRange } from './tail-file';

/**
 * At least this many ids are written as a run together. As many are kept back, so that the index
 * can be cut back by as much without losing a run.
 */
const IDS_PER_RUN = 65_536;
/**
 * One that grows, and one that is kept back. The one before is written, and is the last: each more
 * would be one more to look in.
 */
const GENERATIONS_KEPT = 2;
/**
 * The one that grows may become this many times as large while the one before is written. Then
 * `add` waits.
 */
const GENERATION_GROWTH = 8;
/**
 * As many neighbouring runs of one size are merged. More of them are rewritten less often, and
 * there are more filters to look in.
 */
const RUNS_PER_MERGE = 8;
/**
 * The disk holds up the process for up to this many reads of one block. More are done beside it.
 */
const SYNC_READS_MAX = 256;
/** Blocks that are at most this far apart are read at once. */
const NEAR_BLOCKS = 16;

interface StoredRun extends Run {
  readonly reaches: Offsets;
}

interface Window {
  readonly name: string;
  readonly context: string;
  readonly starts: Offsets;
  runs: StoredRun[];
  reached: Map<string, number>;
}

/** Ranges that are in no run yet, and become runs together. */
interface Generation {
  readonly ranges: IdRange[];
  readonly sets: Map<string, FingerprintSet>;
  held: number;
}

/** A place where a fingerprint may be, as far as a filter says. */
interface Candidate {
  /** Which of the fingerprints. */
  readonly index: number;
  /** The number of the window in the list, from 1 on. */
  readonly rank: number;
  readonly run: StoredRun;
  readonly block: number;
}

export interface DiskIndexOptions {
  /** Writes the runs. */
  readonly thread: RunThread;
  readonly idsPerRun?: number;
}

/**
 * The dedup index of a topic in a shard, on a disk: which ids were seen in which window, up to
 * which offset of each lane.
 *
 * It is an aid, and never the truth. Whatever it lacks can be read from the log, so a folder that
 * is torn, damaged or of something else is emptied when it is opened. Files are written once and
 * never changed, except for the tail, which has one writer. So a second process that opens the
 * folder takes it over, and disturbs neither itself nor the first one, which ends at its next write
 * of the manifest.
 *
 * Nothing is counted by it yet: `npm run bench -- dedup` measures it.
 */
export class DiskIndex {
  private readonly windows = new Map<string, Window>();
  /** In the order of counting: what is in the tail file. */
  private generations: Generation[] = [];
  private tail: TailFile | undefined;
  /** Written as well, until the manifest names it in place of the other one. */
  private nextTail: TailFile | undefined;
  private readonly owner = randomUUID();
  private readonly saving = new Mutex();
  private flushing: Promise<void> | undefined;
  private merging: Promise<void> | undefined;
  /** Shared with the thread: 1 while its work is not wanted. */
  private readonly stopped = new Int32Array(new SharedArrayBuffer(4));
  private failure: unknown;
  /** Room for what a filter selects. */
  private selected = new Uint32Array(0);
  private reading = 0;
  private readonly retired: Run[] = [];
  /** Why what was in the folder could not be used; undefined if it could, or if it was empty. */
  discarded: string | undefined;

  private constructor(
    private readonly directory: string,
    private readonly identity: string,
    private readonly thread: RunThread,
    private readonly idsPerRun: number,
  ) {}

  /**
   * Opens the index in a folder, and creates the folder if it is missing.
   *
   * @param identity what the ids are of: an index of something else is emptied
   * @throws the errors of the file system
   */
  static async open(
    directory: string,
    identity: string,
    { thread, idsPerRun = IDS_PER_RUN }: DiskIndexOptions,
  ): Promise<DiskIndex> {
    const index = new DiskIndex(directory, identity, thread, idsPerRun);
    mkdirSync(directory, { recursive: true });
    try {
      index.load();
    } catch (error) {
      if (!(error instanceof DamagedIndexError) && (error as NodeJS.ErrnoException).code !== 'ENOENT')
        throw error;
      index.discarded = (error as Error).message;
      index.drop([...index.windows.values()].flatMap(({ runs }) => runs));
      index.windows.clear();
      index.generations = [];
    }
    index.retire();
    await index.replaceTail(true);
    index.removeOthers();
    return index;
  }

  /** The windows, oldest first, each with what its ids depend on beside the log. */
  contexts(): ReadonlyMap<string, string> {
    return new Map([...this.windows.values()].map(({ name, context }) => [name, context]));
  }

  /** Up to which offset of a lane all ids of a window are here; undefined if it has not begun. */
  reached(window: string, lane: string): number | undefined {
    const found = this.windows.get(window);
    return found && reachedIn(found, lane);
  }

  /**
   * Begins a window.
   *
   * @param starts its first offset in each lane; 0 in a lane that is added later
   */
  async begin(name: string, context: string, starts: Offsets): Promise<void> {
    if (this.windows.has(name)) throw new Error(`the window ${name} has begun already`);
    const reached = new Map(Object.entries(starts));
    this.windows.set(name, { name, context, starts, runs: [], reached });
    await this.save();
  }

  /** Forgets windows with all their ids. */
  async forget(names: readonly string[]): Promise<void> {
    await this.stop();
    const dropped = names.flatMap((name) => this.windows.get(name)?.runs ?? []);
    for (const name of names) this.windows.delete(name);
    await this.reset(this.ranges(), dropped);
  }

  /**
   * Adds the ids of the next range of a lane.
   *
   * @throws DamagedIndexError, IndexTakenError, the errors of the file system: also those of an
   *   earlier write in the background. The index cannot be used any more then
   */
  async add(range: IdRange): Promise<void> {
    this.throwFailure();
    if (this.reached(range.window, range.lane) !== range.from)
      throw new Error(`the index does not reach ${range.from} of ${range.lane} in ${range.window}`);
    // A copy, because the ids may be a part of something larger.
    const kept = { ...range, halves: range.halves.slice() };
    this.tail?.append(kept);
    this.nextTail?.append(kept);
    this.take(kept);
    this.work();
    while (this.flushing && this.generations.at(-1)!.held >= GENERATION_GROWTH * this.idsPerRun) {
      await this.flushing;
      this.throwFailure();
    }
  }

  /**
   * Looks up fingerprints in some windows.
   *
   * @param names the windows, in the order in which they are asked
   * @returns for each fingerprint: 0 if it is in none of them, otherwise the number of the first
   *   one that has it, from 1 on
   * @throws DamagedIndexError, the errors of the file system
   */
  async lookUp(names: readonly string[], halves: Uint32Array): Promise<Uint8Array> {
    this.throwFailure();
    const found = new Uint8Array(halves.length / 2);
    if (this.selected.length <= found.length) this.selected = new Uint32Array(found.length + 1);
    const candidates: Candidate[] = [];
    for (const [at, name] of names.entries()) {
      const window = this.windows.get(name);
      if (!window) throw new Error(`the index has no window ${name}`);
      const rank = at + 1;
      this.findIn(window, rank, halves, found, candidates);
    }
    if (candidates.length <= SYNC_READS_MAX) {
      for (const candidate of candidates) {
        const ids = readBlockSync(candidate.run, candidate.block);
        noteIfIn(ids, candidate, halves, found);
      }
      return found;
    }
    this.reading += 1;
    try {
      await Promise.all(partsOf(candidates).map((part) => confirm(part, halves, found)));
    } finally {
      this.reading -= 1;
      this.retire();
    }
    return found;
  }

  /**
   * Takes the index back to earlier offsets. Where only a whole run contains both what is above
   * them and what is below, the run goes, so the index may then reach less far than the offsets.
   */
  async cutBack(cursors: Offsets): Promise<void> {
    await this.stop();
    const isBelow = (reaches: Offsets): boolean =>
      Object.entries(reaches).every(([lane, offset]) => offset <= (cursors[lane] ?? 0));
    const dropped: Run[] = [];
    for (const window of this.windows.values()) {
      if (!isBelow(window.starts)) {
        this.windows.delete(window.name);
        dropped.push(...window.runs);
        continue;
      }
      const kept = window.runs.findIndex(({ reaches }) => !isBelow(reaches));
      if (kept >= 0) dropped.push(...window.runs.splice(kept));
    }
    const ranges = this.ranges().filter(({ lane, next }) => next <= (cursors[lane] ?? 0));
    await this.reset(ranges, dropped);
  }

  /** The number of ids in each run, window by window. */
  runs(): number[] {
    return [...this.windows.values()].flatMap(({ runs }) => runs.map(({ count }) => count));
  }

  /** Waits until nothing is written in the background. */
  async settle(): Promise<void> {
    while (this.flushing ?? this.merging) await Promise.all([this.flushing, this.merging]);
    this.throwFailure();
  }

  /** Ends all work. What was added is in the files. */
  async close(): Promise<void> {
    await this.stop();
    this.tail?.close();
    this.nextTail?.close();
    this.drop([...this.windows.values()].flatMap(({ runs }) => runs));
    this.retire();
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure as Error;
  }

  private findIn(
    { name, runs }: Window,
    rank: number,
    halves: Uint32Array,
    found: Uint8Array,
    candidates: Candidate[],
  ): void {
    for (const { sets } of this.generations) {
      const ids = sets.get(name);
      if (!ids) continue;
      for (let index = 0; index < found.length; index += 1) {
        if (found[index] === 0 && ids.has(halves[index * 2]!, halves[index * 2 + 1]!)) found[index] = rank;
      }
    }
    for (const run of runs) {
      const count = run.filter.select(halves, this.selected);
      for (let i = 0; i < count; i += 1) {
        const index = this.selected[i]!;
        if (found[index] !== 0) continue;
        const block = blockOf(run, halves[index * 2]!, halves[index * 2 + 1]!);
        if (block >= 0) candidates.push({ index, rank, run, block });
      }
    }
  }

  /** Takes a range into the memory, if the one before it is there. */
  private take(range: IdRange): void {
    const { window: name, lane, from, next, halves } = range;
    const window = this.windows.get(name);
    if (!window || reachedIn(window, lane) !== from) return;
    let generation = this.generations.at(-1);
    const isFull = generation && generation.held >= this.idsPerRun;
    if (!generation || (isFull && this.generations.length <= GENERATIONS_KEPT))
      this.generations.push((generation = { ranges: [], sets: new Map(), held: 0 }));
    let ids = generation.sets.get(name);
    if (!ids) generation.sets.set(name, (ids = new FingerprintSet(this.idsPerRun)));
    ids.addAll(halves);
    window.reached.set(lane, next);
    generation.ranges.push(range);
    generation.held += halves.length / 2;
  }

  private load(): void {
    const manifest = readManifest(this.directory);
    if (manifest === undefined) return;
    if (manifest.identity !== this.identity) throw new DamagedIndexError('the index is of something else');
    for (const { name, context, starts, runs } of manifest.windows) {
      const window: Window = { name, context, starts, runs: [], reached: new Map() };
      this.windows.set(name, window);
      for (const run of runs) window.runs.push({ ...openRun(this.directory, run), reaches: run.reaches });
    }
    this.recall([...readTail(join(this.directory, manifest.tail))]);
  }

  /** Makes the memory of what is in no run. Ranges without those before them are left out. */
  private recall(ranges: readonly IdRange[]): void {
    this.generations = [];
    for (const window of this.windows.values())
      window.reached = new Map(Object.entries(window.runs.at(-1)?.reaches ?? window.starts));
    for (const range of ranges) this.take(range);
  }

  private ranges(): IdRange[] {
    return this.generations.flatMap(({ ranges }) => ranges);
  }

  /** After windows, runs or ranges have gone. */
  private async reset(ranges: readonly IdRange[], dropped: readonly Run[]): Promise<void> {
    this.recall(ranges);
    await this.replaceTail();
    this.remove(dropped);
    this.work();
  }

  /** Saves the manifest with a new tail file, which holds what is in no run. */
  private async replaceTail(isNew = false): Promise<void> {
    this.nextTail = TailFile.create(join(this.directory, `tail-${randomUUID()}`), this.ranges());
    await this.save(isNew);
    const before = this.tail;
    [this.tail, this.nextTail] = [this.nextTail, undefined];
    before?.close();
    if (before) rmSync(before.path, { force: true });
  }

  private async save(isNew = false): Promise<void> {
    const endTurn = await this.saving.take();
    try {
      await writeManifest(this.directory, () => this.manifest(), isNew);
    } finally {
      endTurn();
    }
  }

  private manifest(): Manifest {
    const { identity, owner } = this;
    const tail = (this.nextTail ?? this.tail)!;
    const windows = [...this.windows.values()].map(({ name, context, starts, runs }) => ({
      ...{ name, context, starts },
      runs: runs.map(({ name, count, room, seed, reaches }) => ({ name, count, room, seed, reaches })),
    }));
    return { format: FORMAT, identity, owner, tail: tail.path.slice(this.directory.length + 1), windows };
  }

  private removeOthers(): void {
    const manifest = this.manifest();
    const known = new Set([
      manifest.tail,
      ...manifest.windows.flatMap(({ runs }) => runs.map(({ name }) => name)),
    ]);
    for (const name of readdirSync(this.directory)) {
      if (/^(run|tail)-|^manifest\.json\./.test(name) && !known.has(name))
        rmSync(join(this.directory, name), { force: true });
    }
  }

  /** Stops what is written in the background. */
  private async stop(): Promise<void> {
    Atomics.store(this.stopped, 0, 1);
    await Promise.all([this.flushing, this.merging]);
    Atomics.store(this.stopped, 0, 0);
  }

  private get isStopping(): boolean {
    return Atomics.load(this.stopped, 0) !== 0;
  }

  private work(): void {
    if (this.isStopping || this.failure !== undefined) return;
    const note = (error: unknown): void => void (this.failure = error);
    if (!this.flushing && this.generations.length > GENERATIONS_KEPT) {
      this.flushing = this.flush()
        .catch(note)
        .finally(() => {
          this.flushing = undefined;
          this.work();
        });
    }
    const due = this.merging ? undefined : this.dueMerge();
    if (due) {
      this.merging = this.merge(...due)
        .catch(note)
        .finally(() => {
          this.merging = undefined;
          this.work();
        });
    }
  }

  /** Writes the oldest generation as runs, one per window. */
  private async flush(): Promise<void> {
    const { ranges } = this.generations[0]!;
    const written: [Window, StoredRun][] = [];
    for (const window of new Set(ranges.map((range) => this.windows.get(range.window)!))) {
      const own = ranges.filter((range) => range.window === window.name);
      const reaches = { ...(window.runs.at(-1)?.reaches ?? window.starts) };
      for (const { lane, next } of own) reaches[lane] = next;
      const all = new Uint32Array(own.reduce((sum, { halves }) => sum + halves.length, 0));
      let at = 0;
      for (const { halves } of own) {
        all.set(halves, at);
        at += halves.length;
      }
      const run = await this.write(all, [], reaches);
      if (run) written.push([window, run]);
    }
    if (this.isStopping) return this.remove(written.map(([, run]) => run));
    for (const [window, run] of written) window.runs.push(run);
    this.generations.shift();
    await this.replaceTail();
  }

  /** Neighbouring runs of a window that should be one. */
  private dueMerge(): [Window, StoredRun[]] | undefined {
    const windows = [...this.windows.values()];
    for (const [at, window] of windows.entries()) {
      const { runs } = window;
      // Nothing is added to a window that is over.
      const isOver = at < windows.length - 1;
      if (isOver && runs.length > 1) return [window, runs.slice()];
      let first = runs.length;
      for (let size = 0; first > 0; size += 1) {
        while (first > 0 && this.sizeOf(runs[first - 1]!) <= size) first -= 1;
        if (runs.length - first >= RUNS_PER_MERGE) return [window, runs.slice(first)];
      }
    }
    return undefined;
  }

  /** How often the ids of a run were merged, if each merge was of as many runs. */
  private sizeOf({ count }: Run): number {
    return Math.max(0, Math.round(Math.log(count / this.idsPerRun) / Math.log(RUNS_PER_MERGE)));
  }

  private async merge(window: Window, runs: StoredRun[]): Promise<void> {
    const run = await this.write(new Uint32Array(0), runs, runs.at(-1)!.reaches);
    if (!run) return;
    if (this.isStopping) return this.remove([run]);
    window.runs.splice(window.runs.indexOf(runs[0]!), runs.length, run);
    await this.save();
    this.remove(runs);
  }

  /** @returns undefined if it was stopped */
  private async write(
    halves: Uint32Array,
    merged: readonly StoredRun[],
    reaches: Offsets,
  ): Promise<StoredRun | undefined> {
    const { directory, stopped } = this;
    const runs = merged.map(({ name, count, room, seed }) => ({ name, count, room, seed }));
    const run = await this.thread.write({ directory, halves, runs, stop: stopped });
    return run && { ...openWritten(directory, run), reaches };
  }

  private remove(runs: readonly Run[]): void {
    this.drop(runs);
    for (const { name } of runs) rmSync(join(this.directory, name), { force: true });
    this.retire();
  }

  private drop(runs: readonly Run[]): void {
    this.retired.push(...runs);
  }

  /** Closes what nobody reads any more. */
  private retire(): void {
    if (this.reading === 0) for (const { file } of this.retired.splice(0)) closeSync(file);
  }
}

const reachedIn = ({ reached }: Window, lane: string): number => reached.get(lane) ?? 0;

function noteIfIn(
  ids: Uint32Array,
  { index, rank }: Candidate,
  halves: Uint32Array,
  found: Uint8Array,
): void {
  const before = found[index]!;
  if (before !== 0 && before <= rank) return;
  if (isIn(ids, halves[index * 2]!, halves[index * 2 + 1]!)) found[index] = rank;
}

/** Candidates of one run whose blocks are read together. */
type Part = [Candidate, ...Candidate[]];

function partsOf(candidates: Candidate[]): Part[] {
  const byRun = new Map<StoredRun, Candidate[]>();
  for (const candidate of candidates) {
    const same = byRun.get(candidate.run);
    if (same) same.push(candidate);
    else byRun.set(candidate.run, [candidate]);
  }
  const parts: Part[] = [];
  for (const ofRun of byRun.values()) {
    ofRun.sort((a, b) => a.block - b.block);
    let part: Part | undefined;
    for (const candidate of ofRun) {
      if (part && candidate.block - part.at(-1)!.block <= NEAR_BLOCKS) part.push(candidate);
      else parts.push((part = [candidate]));
    }
  }
  return parts;
}

async function confirm(part: Part, halves: Uint32Array, found: Uint8Array): Promise<void> {
  const [{ run, block: first }] = part;
  const blocks = await readBlocks(run, first, part.at(-1)!.block - first + 1);
  for (const candidate of part) noteIfIn(blocks[candidate.block - first]!, candidate, halves, found);
}
