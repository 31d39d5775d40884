import type { DiskIndex } from './disk-index';
import type { Offsets } from './manifest';
import type { IdRange } from './tail-file';

/** A window as Redis names it. */
export interface WindowState {
  readonly name: string;
  /** A digest of all that its ids depend on beside the log. */
  readonly context: string;
  /** Its first offset in each lane; 0 in a lane that is not named. */
  readonly starts: Offsets;
}

/** What Redis states of a topic in a shard, in one step. */
export interface ShardState {
  /** All since counting began, oldest first. The last one is open. */
  readonly windows: readonly WindowState[];
  /** Lane -> next offset. */
  readonly cursors: Offsets;
}

/** Where an index takes from what it lacks. */
export interface IdSources {
  /** Ranges that somebody has counted in a window with this context, in any order. */
  ranges(window: WindowState): AsyncIterable<IdRange> | Iterable<IdRange>;
  /**
   * The fingerprints of all valid usage in a range of the log.
   *
   * @throws if the log does not hold the whole range any more
   */
  readLog(lane: string, from: number, next: number): Promise<Uint32Array>;
  /** Which fingerprints the marks of voids in some windows contain. */
  readonly marked: (windows: readonly string[], halves: Uint32Array) => readonly boolean[];
  /** Keeps a range for those who come later. */
  publish(window: WindowState, range: IdRange): Promise<void>;
}

/** So much of the log is read at once. */
const OFFSETS_AT_ONCE = 10_000;

/**
 * Brings an index to what Redis states: no window of another context, nothing above the cursors,
 * and everything below them.
 *
 * The ids of a range are those of all its valid usage, without what the windows before contain.
 * They include what was seen in the same window already, because another lane may have counted it
 * first, and both may be counted again in another order. So the ids of a range depend on its
 * context alone, and not on what was counted meanwhile.
 *
 * @param months how many windows an event is compared with
 * @throws the errors of the index and of the sources. The index stays right then
 */
export async function followShard(
  index: DiskIndex,
  state: ShardState,
  months: number,
  sources: IdSources,
): Promise<void> {
  await dropOthers(index, state);
  const { windows } = state;
  let first = Math.max(0, windows.length - months);
  for (let at = first; at < windows.length; at += 1) {
    const lacks = await fillFromRanges(index, state, at, sources);
    if (!lacks) continue;
    // Reading the log takes the windows before, which the index may have forgotten.
    const needed = Math.max(0, at - months + 1);
    if (needed < first) {
      first = needed;
      at = first - 1;
      continue;
    }
    await fillFromLog(index, state, at, months, sources);
  }
  const kept = windows.slice(-months).map(({ name }) => name);
  const forgotten = [...index.contexts().keys()].filter((name) => !kept.includes(name));
  if (forgotten.length > 0) await index.forget(forgotten);
}

/** Up to which offset of each lane an index has all ids of the windows that count. */
export function reachOf(index: DiskIndex, { windows, cursors }: ShardState, months: number): Offsets {
  const reach: Record<string, number> = {};
  for (const lane of Object.keys(cursors)) {
    for (const [at, { name, starts }] of windows.entries()) {
      if (at < windows.length - months) continue;
      reach[lane] = index.reached(name, lane) ?? starts[lane] ?? 0;
      if (reach[lane] < endOf(windows, at, lane)) break;
    }
  }
  return reach;
}

/** What an index and the marks of voids say of fingerprints. */
export interface Compared {
  /** The ids of their range: see `followShard`. */
  readonly ids: Uint32Array;
  /** For each fingerprint: 0 if it was never seen, in its own window or in those before. */
  readonly seen: Uint8Array;
}

/**
 * Compares the fingerprints of a range of the log with those of its window, and of the windows
 * before.
 *
 * @param at the number of its window
 */
export async function compare(
  index: DiskIndex,
  windows: readonly WindowState[],
  at: number,
  months: number,
  halves: Uint32Array,
  marked: IdSources['marked'],
): Promise<Compared> {
  const { name } = windows[at]!;
  const before = windows.slice(Math.max(0, at - months + 1), at).map((window) => window.name);
  const seen = await index.lookUp([name, ...before.reverse()], halves);
  const marks = marked([name], halves);
  const marksBefore = marked(before, halves);
  const ids = halves.filter((_, half) => seen[half >>> 1]! <= 1 && !marksBefore[half >>> 1]);
  for (const [i, isMarked] of marks.entries()) if (isMarked || marksBefore[i]) seen[i] = 1;
  return { ids, seen };
}

const endOf = (windows: readonly WindowState[], at: number, lane: string): number => {
  const after = windows[at + 1];
  return after ? (after.starts[lane] ?? 0) : Infinity;
};

async function dropOthers(index: DiskIndex, { windows, cursors }: ShardState): Promise<void> {
  const contexts = new Map(windows.map(({ name, context }) => [name, context]));
  const held = [...index.contexts()];
  const foreign = held.findIndex(([name, context]) => contexts.get(name) !== context);
  // The windows after it rest on it.
  if (foreign >= 0) await index.forget(held.slice(foreign).map(([name]) => name));
  const isAbove = (name: string, at: number): boolean =>
    Object.entries(cursors).some(([lane, cursor]) => {
      const reached = index.reached(name, lane) ?? 0;
      return reached > (windows[at]!.starts[lane] ?? 0) && reached > cursor;
    });
  if (windows.some(({ name }, at) => isAbove(name, at))) await index.cutBack(cursors);
}

/** What a window lacks: lane -> the offset up to which it should reach. */
function lackingIn(index: DiskIndex, { windows, cursors }: ShardState, at: number): Map<string, number> {
  const { name } = windows[at]!;
  const lacking = new Map<string, number>();
  for (const [lane, cursor] of Object.entries(cursors)) {
    const end = Math.min(cursor, endOf(windows, at, lane));
    if (end > (index.reached(name, lane) ?? 0)) lacking.set(lane, end);
  }
  return lacking;
}

/** @returns whether the window still lacks something */
async function fillFromRanges(
  index: DiskIndex,
  state: ShardState,
  at: number,
  sources: IdSources,
): Promise<boolean> {
  const window = state.windows[at]!;
  const { name, context, starts } = window;
  if (!index.contexts().has(name)) {
    // Windows begin one after the other.
    const later = state.windows.slice(at).map((one) => one.name);
    const held = later.filter((one) => index.contexts().has(one));
    if (held.length > 0) await index.forget(held);
    await index.begin(name, context, starts);
  }
  let passes = lackingIn(index, state, at).size > 0;
  while (passes) {
    passes = false;
    let skipped = false;
    const ends = lackingIn(index, state, at);
    for await (const { lane, from, next, halves } of sources.ranges(window)) {
      const reached = index.reached(name, lane)!;
      if (next > (ends.get(lane) ?? 0) || next <= reached) continue;
      if (from > reached) {
        skipped = true;
        continue;
      }
      await index.add({ window: name, lane, from: reached, next, halves });
      passes = true;
    }
    // Again, if something that came too early may follow now.
    passes &&= skipped;
  }
  return lackingIn(index, state, at).size > 0;
}

async function fillFromLog(
  index: DiskIndex,
  state: ShardState,
  at: number,
  months: number,
  sources: IdSources,
): Promise<void> {
  const window = state.windows[at]!;
  const { name } = window;
  for (const [lane, end] of lackingIn(index, state, at)) {
    for (let from = index.reached(name, lane)!; from < end;) {
      const next = Math.min(end, from + OFFSETS_AT_ONCE);
      const valid = await sources.readLog(lane, from, next);
      const { ids: halves } = await compare(index, state.windows, at, months, valid, sources.marked);
      const range = { window: name, lane, from, next, halves };
      await index.add(range);
      await sources.publish(window, range);
      from = next;
    }
  }
}
