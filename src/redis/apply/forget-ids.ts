import { readCutOffs } from '../cut-offs';
import { readCursors } from '../cursors';
import { FIRST_WINDOW, segmentCount } from './dedup-index';
import type { Store } from '../store';
import { nextMonth } from '../../rating/month';

/** The number of segments that one command deletes. It must not block Redis for long. */
const STEP = 500;

/**
 * Deletes the ids of a shard that no event is compared with any more: all dedup windows before the
 * previous one. An event is compared with the window that is open at its offset and with the one
 * before.
 *
 * It may stop half-way and run again, because the key with a window's number of ids is deleted
 * last.
 *
 * @returns the windows that were deleted
 */
export async function forgetIds(store: Store, shard: number): Promise<string[]> {
  const freezes = [...(await readCutOffs(store, shard))];
  const periods = dedupWindows(freezes.map(([month]) => month));
  // In a replay, a topic may still be before the last cut-off, so the oldest window counts.
  const cursors = [...(await readCursors(store, shard))];
  const passed = cursors.map(
    ([topic, cursor]) => freezes.filter(([, frozenAt]) => (frozenAt.get(topic) ?? 0) <= cursor).length,
  );
  const oldestInUse = passed.length === 0 ? 0 : Math.min(...passed) - 1;
  const forgotten: string[] = [];
  for (const period of periods.slice(0, Math.max(0, oldestInUse))) {
    if (await forgetWindow(store, shard, period)) forgotten.push(period);
  }
  return forgotten;
}

/** The windows that ids may be stored under, given the frozen months in order. */
export function dedupWindows(frozenMonths: readonly string[]): string[] {
  return [FIRST_WINDOW, ...frozenMonths.map(nextMonth)];
}

async function forgetWindow(store: Store, shard: number, period: string): Promise<boolean> {
  const key = store.keys.ids(shard, period);
  const counts = Object.entries(await store.redis.hgetall(key));
  if (counts.length === 0) return false;
  for (const [topic, count] of counts) {
    const end = segmentCount(Number(count));
    for (let first = 0; first < end; first += STEP) {
      const length = Math.min(STEP, end - first);
      await store.redis.unlink(
        Array.from({ length }, (_, i) => store.keys.idSegment(shard, period, topic, first + i)),
      );
    }
  }
  await store.redis.unlink(key);
  return true;
}
