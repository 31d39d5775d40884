import { RefusedError, TallymanError } from '../errors';
import type { Store } from './store';

/**
 * Freezes a month in a shard: what is applied after this counts as late, in a later month. Repeatable: a frozen month
 * stays as it was frozen first.
 *
 * @returns the shard's cursors at the freeze: topic -> next offset. The month's totals hold exactly what lies before.
 * @throws RefusedError `LATER_MONTH_FROZEN`
 * @throws TallymanError `UNINITIALISED`, `BEHIND_FREEZE`
 */
export async function freeze(store: Store, shard: number, month: string): Promise<Map<string, number>> {
  const { cursor, closed } = store.keys.shard(shard);
  const [answer, detail, topic] = await store.redis.freezeMonth(cursor, closed, month);
  switch (answer) {
    case 'FROZEN':
      return new Map(Object.entries(JSON.parse(String(detail)) as Record<string, number>));
    case 'LATER_FROZEN':
      throw new RefusedError(
        'LATER_MONTH_FROZEN',
        `Shard ${shard} has frozen ${detail} already: months are frozen in order, ${month} can no longer be.`,
        { shard, month, frozen: detail },
      );
    case 'UNINITIALISED':
      throw new TallymanError('UNINITIALISED', `Shard ${shard} has no cursor: there is nothing to freeze.`, {
        shard,
      });
    case 'BEHIND':
      throw new TallymanError(
        'BEHIND_FREEZE',
        `Shard ${shard} stands before the freeze of ${detail} in ${topic}: let the consumers catch up first.`,
        { shard, month, frozen: detail, topic },
      );
    default:
      throw new Error(`freeze.lua answered ${answer}`);
  }
}

/**
 * Puts back a freeze that the ledger knows, for a shard that may have lost it.
 *
 * @param cursors as `freeze` returned them
 * @returns whether it was missing
 * @throws TallymanError `FREEZE_CONFLICT` when the shard has frozen this month, or a neighbouring one, at offsets that
 *   cannot both be true: ledger and Redis are of different installations, or one of them was edited
 */
export async function restoreFreeze(
  store: Store,
  shard: number,
  month: string,
  cursors: ReadonlyMap<string, number>,
): Promise<boolean> {
  const sorted = Object.fromEntries([...cursors].sort(([a], [b]) => (a < b ? -1 : 1)));
  const [answer, detail] = await store.redis.restoreFreeze(
    store.keys.shard(shard).closed,
    month,
    JSON.stringify(sorted),
  );
  if (answer === 'RESTORED' || answer === 'PRESENT') return answer === 'RESTORED';
  const problem =
    answer === 'DIFFERENT' ? `is frozen at ${detail} already` : `does not fit beside its freeze of ${detail}`;
  throw new TallymanError(
    'FREEZE_CONFLICT',
    `Shard ${shard}: the freeze of ${month} at ${JSON.stringify(sorted)} cannot be restored, the month ${problem}.`,
    { shard, month, cursors: sorted, found: detail },
  );
}

/** The months frozen in a shard: month -> topic -> next offset at the freeze. In order of month. */
export async function readFreezes(store: Store, shard: number): Promise<Map<string, Map<string, number>>> {
  const closed = await store.redis.hgetall(store.keys.shard(shard).closed);
  const months = Object.entries(closed).sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    months.map(([month, json]) => [
      month,
      new Map(Object.entries(JSON.parse(json) as Record<string, number>)),
    ]),
  );
}
