import { TallymanError } from '../lib/errors';
import { pause } from '../lib/process/poller';
import type { Progress } from '../lib/progress';
import {
  abortCommand,
  describeOpenTransaction,
  type OpenTransaction,
} from '../kafka/topics/open-transactions';
import { readPartitionCursors } from '../redis/cursors';
import { mayPass } from '../redis/redis-errors';
import type { Store } from '../redis/store';

const POLL_MS = 100;
/**
 * If cursors have not moved for this long, something holds them back, and Kafka is asked for open
 * transactions.
 */
const STANDING_MS = 1_000;

export interface CursorWait {
  readonly shardCount: number;
  /** topic -> partition -> the log's end offset at the start of the wait. */
  readonly ends: ReadonlyMap<string, readonly number[]>;
  /**
   * Gives up when no cursor has moved for this long. The consumers are then not running, or cannot
   * read.
   */
  readonly stallMs: number;
  /**
   * The open transactions; undefined if Kafka cannot list them, which is not a reason to give up.
   */
  readonly findOpen: () => Promise<readonly OpenTransaction[] | undefined>;
  readonly progress: Progress;
  readonly isStopped?: () => boolean;
}

/**
 * Waits until every cursor has reached the end of its log as it was at the start. Everything
 * published before is then in the totals, and freezing the month makes no timely usage late.
 * Records behind an open transaction count as published, although nobody can read them yet.
 *
 * @throws TallymanError `NOT_CAUGHT_UP`; `TRANSACTION_OPEN` if a transaction holds back what is
 *   left
 */
export async function waitForCursors(store: Store, wait: CursorWait): Promise<void> {
  const { shardCount, ends, stallMs, findOpen, progress, isStopped = () => false } = wait;
  const askAfterMs = Math.min(STANDING_MS, stallMs);
  let leastLeft = Number.POSITIVE_INFINITY;
  let first: number | undefined;
  let movedAt = performance.now();
  let askedAt = movedAt;
  let held: readonly OpenTransaction[] = [];
  while (!isStopped()) {
    const behind: string[] = [];
    let left = 0;
    const waits = performance.now() - movedAt < stallMs;
    const cursors = await readCursorsOrWait(store, shardCount, ends, waits);
    if (cursors === undefined) {
      await pause(POLL_MS);
      continue;
    }
    for (const [topic, offsets] of ends) {
      for (const [partition, end] of offsets.entries()) {
        const missing = end - (cursors.get(topic)?.[partition] ?? 0);
        if (missing <= 0) continue;
        left += missing;
        behind.push(`${topic}/${partition}`);
      }
    }
    if (left === 0) return;
    first ??= left;
    const nowMs = performance.now();
    if (left < leastLeft) {
      leastLeft = left;
      movedAt = nowMs;
      held = [];
    } else if (nowMs - movedAt > askAfterMs && nowMs - askedAt > askAfterMs) {
      const open = await findOpen();
      askedAt = performance.now();
      if (open === undefined) movedAt = askedAt;
      held = (open ?? []).filter(({ topic, partition }) => behind.includes(`${topic}/${partition}`));
    }
    const places = `${behind.length} partitions behind: ${someOf(behind)}`;
    progress.update(first - left, first, held[0] ? `${places}; ${describeOpenTransaction(held[0])}` : places);
    if (performance.now() - movedAt > stallMs) throw notCaughtUp(left, behind, held, stallMs);
    await pause(POLL_MS);
  }
}

/** All cursors; undefined if Redis is away for now, and that is to be waited for. */
async function readCursorsOrWait(
  store: Store,
  shardCount: number,
  ends: CursorWait['ends'],
  waits: boolean,
): Promise<Awaited<ReturnType<typeof readPartitionCursors>> | undefined> {
  try {
    return await readPartitionCursors(store, shardCount, ends);
  } catch (error) {
    if (waits && mayPass(error)) return undefined;
    throw error;
  }
}

function notCaughtUp(
  left: number,
  behind: readonly string[],
  [held]: readonly OpenTransaction[],
  stallMs: number,
): TallymanError {
  const what =
    `${left} events are not applied yet and no cursor moved for ${Math.round(stallMs / 1000)} s ` +
    `(${someOf(behind)}): `;
  const why =
    held === undefined
      ? 'are the consumers running?'
      : `${describeOpenTransaction(held)}. Let its producer end it, or run ${abortCommand(held)}`;
  const code = held === undefined ? 'NOT_CAUGHT_UP' : 'TRANSACTION_OPEN';
  return new TallymanError(code, what + why, { left, behind });
}

const someOf = (places: readonly string[]): string =>
  places.slice(0, 5).join(', ') + (places.length > 5 ? ', ...' : '');
