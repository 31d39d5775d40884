import { readFreezes } from '../cut-offs';
import { readCursors } from '../cursors';
import { FIRST_PERIOD, segmentCount } from './dedup-index';
import type { Store } from '../store';
import { nextMonth } from '../../rating/month';

/** How many segments one command gives up: it must not hold Redis for long. */
const STEP = 500;

/**
 * Forgets the ids of a shard that no event can meet any more: all periods before the previous one. An event is compared
 * with the ids of the month that is open at its offset and of the one before.
 *
 * Stopped half-way and run again it goes on: a period's own key, which tells how many ids there are, goes last.
 *
 * @returns the periods that were forgotten
 */
export async function forgetIds(store: Store, shard: number): Promise<string[]> {
  const freezes = [...(await readFreezes(store, shard))];
  const periods = idPeriods(freezes.map(([month]) => month));
  // A topic may still stand before the last freeze, in a replay: the oldest period counts.
  const cursors = [...(await readCursors(store, shard))];
  const passed = cursors.map(
    ([topic, cursor]) => freezes.filter(([, frozenAt]) => (frozenAt.get(topic) ?? 0) <= cursor).length,
  );
  const oldestInUse = passed.length === 0 ? 0 : Math.min(...passed) - 1;
  const forgotten: string[] = [];
  for (const period of periods.slice(0, Math.max(0, oldestInUse))) {
    if (await forgetPeriod(store, shard, period)) forgotten.push(period);
  }
  return forgotten;
}

/** The periods that ids may be kept under, by the frozen months in their order. */
export function idPeriods(frozenMonths: readonly string[]): string[] {
  return [FIRST_PERIOD, ...frozenMonths.map(nextMonth)];
}

async function forgetPeriod(store: Store, shard: number, period: string): Promise<boolean> {
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
