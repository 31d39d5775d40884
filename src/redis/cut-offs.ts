import { parseCopy } from '../lib/document';
import { TallymanError } from '../lib/errors';
import type { Store } from './store';

/**
 * Freezes a month in a shard: what is applied after this counts as late, in a later month.
 * Repeatable: a frozen month stays as it was frozen first.
 *
 * @returns the shard's cursors at the freeze: topic -> next offset. The month's totals hold exactly
 *   what lies before.
 * @throws TallymanError `LATER_MONTH_FROZEN`
 * @throws TallymanError `UNINITIALISED`, `BEHIND_FREEZE`
 */
export async function freeze(store: Store, shard: number, month: string): Promise<Map<string, number>> {
  const { cursor, closed } = store.keys.shard(shard);
  const [answer, detail, topic] = await store.redis.freezeMonth(cursor, closed, month);
  switch (answer) {
    case 'FROZEN':
      return new Map(Object.entries(parseCopy('cursors.v1.json', String(detail), `the freeze of ${month}`)));
    case 'LATER_FROZEN':
      throw new TallymanError(
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
 * @throws TallymanError `FREEZE_CONFLICT` when the shard has frozen this month, or a neighbouring
 *   one, at offsets that cannot both be true: ledger and Redis are of different installations, or
 *   one of them was edited. `FREEZE_LOST` when usage was counted past the freeze while it was
 *   missing
 */
export async function restoreFreeze(
  store: Store,
  shard: number,
  month: string,
  cursors: ReadonlyMap<string, number>,
): Promise<boolean> {
  const sorted = Object.fromEntries([...cursors].sort(([a], [b]) => (a < b ? -1 : 1)));
  const keys = store.keys.shard(shard);
  const [answer, detail, passed] = await store.redis.restoreFreeze(
    keys.closed,
    keys.cursor,
    month,
    JSON.stringify(sorted),
  );
  if (answer === 'RESTORED' || answer === 'PRESENT') return answer === 'RESTORED';
  if (answer === 'PASSED') {
    throw new TallymanError(
      'FREEZE_LOST',
      `Shard ${shard} has lost the freeze of ${month} and counted on: ${detail} stands at ${passed}, the month was frozen ` +
        `at ${cursors.get(String(detail))}. Late usage may stand in the closed month. ` +
        'Stop the consumers, then run `tallyman rebuild --empty`: it comes out right.',
      { shard, month, topic: detail, cursor: passed },
    );
  }
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
      new Map(Object.entries(parseCopy('cursors.v1.json', json, `the freeze of ${month}`))),
    ]),
  );
}

/** How long a run of a close may take. Its marks are then forgotten, and it has to be run again. */
const MARK_SECONDS = 86_400;

/**
 * Marks a shard whose month is frozen, and complete up to the freeze, for one run of a close. Reads
 * of the month's totals that are followed by `holdsMark` have seen what was frozen: a Redis that
 * went back in between has lost the mark.
 *
 * @param run a name that no other run has
 * @returns the shard's cursors at the freeze
 * @throws TallymanError `UNFROZEN`, `BEHIND_FREEZE`
 */
export async function markFrozen(
  store: Store,
  shard: number,
  month: string,
  run: string,
): Promise<Map<string, number>> {
  const { cursor, closed, seals } = store.keys.shard(shard);
  const [answer, detail] = await store.redis.sealFreeze(cursor, closed, seals, month, run, MARK_SECONDS);
  switch (answer) {
    case 'SEALED':
      return new Map(Object.entries(parseCopy('cursors.v1.json', String(detail), `the freeze of ${month}`)));
    case 'UNFROZEN':
      throw new TallymanError(
        'UNFROZEN',
        `Shard ${shard} has lost the freeze of ${month}: run the close again.`,
        { shard, month },
      );
    case 'BEHIND':
      throw new TallymanError(
        'BEHIND_FREEZE',
        `Shard ${shard} stands before the freeze of ${month} in ${detail}: Redis lost its tail and is being filled from ` +
          'the log. Let the consumers catch up, and run the close again.',
        { shard, month, topic: detail },
      );
    default:
      throw new Error(`seal-freeze.lua answered ${answer}`);
  }
}

/** Whether a shard still holds the mark that `markFrozen` made for this run. */
export async function holdsMark(store: Store, shard: number, run: string): Promise<boolean> {
  return (await store.redis.hexists(store.keys.shard(shard).seals, run)) === 1;
}

/** Takes the mark of a run away. */
export async function removeMark(store: Store, shard: number, run: string): Promise<void> {
  await store.redis.hdel(store.keys.shard(shard).seals, run);
}
