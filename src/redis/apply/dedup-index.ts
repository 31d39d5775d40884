import { randomFillSync } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { TallymanError } from '../../lib/errors';
import type { ScriptAnswer } from '../scripts';
import { FINGERPRINT_BYTES } from './fingerprint';
import { FingerprintSet } from '../../dedup/fingerprint-set';
import type { Keys } from '../keys';
import type { Store } from '../store';

/** The ids of one topic in one shard that were counted between two closes, as Redis stores them. */
interface DedupWindow {
  /** A month, or `first` before any month was closed. */
  readonly period: string;
  readonly ids: FingerprintSet;
}

/**
 * The ids that the next events of a topic in a shard are compared with, in the open window and the
 * one before.
 */
export interface DedupWindows {
  readonly own: DedupWindow;
  /** The window before; undefined in the first one. */
  readonly previous: DedupWindow | undefined;
}

/** The name of the window before the first close. */
export const FIRST_WINDOW = 'first';
/** As in ids.lua. */
const IDS_PER_SEGMENT = 8_190;
/** One command reads up to 2 MiB. */
const SEGMENTS_AT_ONCE = 32;

/**
 * Whether an event was counted before: in the open window, in the one before, or earlier in its
 * chunk. If it was not, it is added to `chunk`. This runs for every event.
 */
export function isDuplicate(
  low: number,
  high: number,
  { own, previous }: DedupWindows,
  chunk: FingerprintSet,
): boolean {
  return own.ids.has(low, high) || previous?.ids.has(low, high) === true || !chunk.add(low, high);
}

/**
 * The ids that this process has read, by topic and shard. Redis stores them, and adds to them in
 * the same step as to totals and cursor. Duplicates are looked up here. Each call of a script
 * states which ids its events were compared with. If Redis holds other ids, the script answers
 * `IDS`, and they are read again. So an event is only ever compared with the ids that belong to the
 * cursor, whatever happens to Redis or to this process.
 */
export class DedupIndex {
  private readonly known = new Map<string, DedupWindows>();

  constructor(
    private readonly redis: Redis | Cluster,
    private readonly keys: Keys,
  ) {}

  /** Undefined until they are read. */
  of(shard: number, topic: string): DedupWindows | undefined {
    return this.known.get(nameOf(shard, topic));
  }

  /**
   * Reads the windows that a script's answer `IDS` names. A window that was read already is not
   * read again.
   */
  async read(shard: number, topic: string, answer: readonly (string | number)[]): Promise<void> {
    const [period, before, ownCount, previousCount, ownHeld, previousHeld] = answer;
    const known = this.of(shard, topic);
    const idsOf = async (
      name: string,
      count: number,
      isHeld: string | number | undefined,
    ): Promise<DedupWindow> => {
      const same = [known?.own, known?.previous].find(
        (one) => one?.period === name && (isHeld === undefined ? one.ids.size === count : isHeld === 1),
      );
      const window = same ?? { period: name, ids: new FingerprintSet(count) };
      await this.readUpTo(count, shard, topic, window);
      return window;
    };
    this.known.set(nameOf(shard, topic), {
      own: await idsOf(String(period), Number(ownCount), ownHeld),
      previous: before === '' ? undefined : await idsOf(String(before), Number(previousCount), previousHeld),
    });
  }

  /**
   * Notes what a script has just added.
   *
   * @param held how many ids the open window had when the call was sent
   * @param stored how many are stored now, if several consumers add to them
   */
  async noteAdded(
    { shard, topic, known, held, halves, mark }: Addition,
    stored: string | number | undefined,
  ): Promise<void> {
    if (known === undefined) return;
    const { own } = known;
    if (stored === undefined) own.ids.addAll(halves);
    else {
      const marked = halves.length === 0 ? halves : Uint32Array.of(...halves, ...mark);
      // Otherwise others have added before, and theirs come first.
      if (own.ids.size === held && held + marked.length / 2 === Number(stored)) own.ids.addAll(marked);
      else await this.readUpTo(Number(stored), shard, topic, own);
    }
  }

  /** Forgets a topic's ids in all other shards, because another process adds to them now. */
  keepOnly(topic: string, shards: readonly number[]): void {
    const kept = new Set(shards.map((shard) => nameOf(shard, topic)));
    for (const name of this.known.keys()) {
      if (name.endsWith(nameOf('', topic)) && !kept.has(name)) this.known.delete(name);
    }
  }

  /**
   * Reads the ids that a window lacks of the first `count`. If Redis holds fewer by now, the next
   * answer of a script reports it.
   */
  private async readUpTo(
    count: number,
    shard: number,
    topic: string,
    { period, ids }: DedupWindow,
  ): Promise<void> {
    if (ids.size >= count) return;
    const end = segmentCount(count);
    for (let first = Math.floor(ids.size / IDS_PER_SEGMENT); first < end; first += SEGMENTS_AT_ONCE) {
      const segments = await this.redis.mgetBuffer(
        ...Array.from({ length: Math.min(SEGMENTS_AT_ONCE, end - first) }, (_, i) =>
          this.keys.idSegment(shard, period, topic, first + i),
        ),
      );
      for (const [i, segment] of segments.entries()) {
        const begin = (first + i) * IDS_PER_SEGMENT;
        const left = Math.min(IDS_PER_SEGMENT, count - begin);
        // Another call may have read a part of it meanwhile.
        if (segment) ids.addAll(halvesOf(segment, left).subarray(2 * Math.max(0, ids.size - begin)));
      }
    }
  }
}

/** What one call of a script adds to the ids. */
export interface Addition {
  readonly shard: number;
  readonly topic: string;
  /** What it was compared with. */
  readonly known: DedupWindows | undefined;
  readonly held: number;
  readonly halves: Uint32Array;
  /** See `newMark`. */
  readonly mark: Uint32Array;
}

/** Random bytes that name one addition to ids that several consumers add to: see ids.lua. */
export function newMark(): Uint32Array {
  const mark = new Uint32Array(2);
  randomFillSync(mark);
  mark[1]! |= 1; // An upper half of 0 is not a fingerprint.
  return mark;
}

/**
 * Another process may add ids between two reads, but not for long, because it has lost its
 * partition.
 */
const MAX_READS = 10;

/**
 * Sends what was compared with the index, until the index equals that of Redis.
 *
 * @param send takes the windows that were read, or undefined if there are none, and returns the
 *   script's answer
 * @returns the first answer that is not `IDS`
 * @throws TallymanError `IDS_UNSETTLED` if the ids change again and again
 */
export async function withDedupIndex(
  store: Store,
  shard: number,
  topic: string,
  send: (known: DedupWindows | undefined) => Promise<ScriptAnswer>,
): Promise<ScriptAnswer> {
  for (let reads = 0; reads <= MAX_READS; reads += 1) {
    const answer = await send(store.dedupIndex.of(shard, topic));
    if (answer[0] !== 'IDS') return answer;
    await store.dedupIndex.read(shard, topic, answer.slice(1));
  }
  throw new TallymanError(
    'IDS_UNSETTLED',
    `The ids of ${topic} in shard ${shard} changed during each of ${MAX_READS} reads, so Redis is being restored, ` +
      'or its ids are damaged. Run `tallyman doctor`, which says what to do.',
    { topic, shard },
  );
}

/**
 * The arguments that tell a script which ids were compared: the names of both windows, and the
 * number of ids in each.
 */
export function windowState(known: DedupWindows | undefined): [string, string, string, string] {
  if (!known) return ['', '', '', ''];
  const { own, previous } = known;
  return [own.period, previous?.period ?? '', String(own.ids.size), String(previous?.ids.size ?? 0)];
}

/** The last fingerprint of each window, in the order of `windowState`. */
export function lastOf(known: DedupWindows | undefined): Buffer {
  const last = new Uint32Array(4);
  if (known) last.set(known.own.ids.last);
  if (known?.previous) last.set(known.previous.ids.last, 2);
  return Buffer.from(last.buffer);
}

export const segmentCount = (ids: number): number => Math.ceil(ids / IDS_PER_SEGMENT);

/** The first `count` fingerprints of a segment. */
function halvesOf(segment: Buffer, count: number): Uint32Array {
  const whole = Math.min(count, Math.floor(segment.length / FINGERPRINT_BYTES));
  // A copy, because a Uint32Array must begin at a multiple of 4 bytes.
  const bytes = new Uint8Array(whole * FINGERPRINT_BYTES);
  bytes.set(segment.subarray(0, bytes.length));
  return new Uint32Array(bytes.buffer);
}

const nameOf = (shard: number | '', topic: string): string => `${shard}/${topic}`;
