import { parseCopy } from '../lib/document';
import { TallymanError } from '../lib/errors';
import type { Store } from './store';

/**
 * Freezes a month in a shard. What is applied afterwards counts as late, in a later month.
 * Repeatable: a frozen month keeps its first freeze.
 *
 * @returns the shard's cursors at the freeze: topic -> next offset. The month's totals hold exactly
 *   what is before them.
 * @throws TallymanError `LATER_MONTH_FROZEN`, `UNINITIALISED`, `BEHIND_FREEZE`
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
        `Shard ${shard} has already frozen ${detail}. Months are frozen in order, so ${month} can no longer be frozen.`,
        { shard, month, frozen: detail },
      );
    case 'UNINITIALISED':
      throw new TallymanError('UNINITIALISED', `Shard ${shard} has no cursor: there is nothing to freeze.`, {
        shard,
      });
    case 'BEHIND':
      throw new TallymanError(
        'BEHIND_FREEZE',
        `Shard ${shard} is before the freeze of ${detail} in ${topic}: let the consumers catch up first.`,
        { shard, month, frozen: detail, topic },
      );
    default:
      throw new Error(`freeze.lua answered ${answer}`);
  }
}

/**
 * Restores a freeze that is in the ledger to a shard that may have lost it.
 *
 * @param cursors as `freeze` returned them
 * @returns whether it was missing
 * @throws TallymanError `FREEZE_CONFLICT` if the shard has frozen this month, or a neighbouring
 *   one, at offsets that cannot both be true: ledger and Redis are of different installations, or
 *   one of them was edited. `FREEZE_LOST` if usage was counted past the freeze while it was missing
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
      `Shard ${shard} has lost the freeze of ${month} and continued to count: ${detail} is at ${passed}, the month was frozen ` +
        `at ${cursors.get(String(detail))}. Late usage may be in the closed month. ` +
        'Stop the consumers, then run `tallyman rebuild --empty`, which counts it again.',
      { shard, month, topic: detail, cursor: passed },
    );
  }
  const problem =
    answer === 'DIFFERENT' ? `is frozen at ${detail} already` : `contradicts its freeze of ${detail}`;
  throw new TallymanError(
    'FREEZE_CONFLICT',
    `Shard ${shard}: the freeze of ${month} at ${JSON.stringify(sorted)} cannot be restored, the month ${problem}.`,
    { shard, month, cursors: sorted, found: detail },
  );
}

/** The months frozen in a shard, in order: month -> topic -> next offset at the freeze. */
export async function readCutOffs(store: Store, shard: number): Promise<Map<string, Map<string, number>>> {
  const closed = await store.redis.hgetall(store.keys.shard(shard).closed);
  const months = Object.entries(closed).sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    months.map(([month, json]) => [
      month,
      new Map(Object.entries(parseCopy('cursors.v1.json', json, `the freeze of ${month}`))),
    ]),
  );
}

/** How long a run of a close may take. Its marks then expire, and it has to be run again. */
const MARK_SECONDS = 86_400;

/**
 * Marks a shard for one run of a close, if its month is frozen and complete up to the freeze. If
 * `holdsMark` is true after a read of the month's totals, the read has seen what was frozen: a
 * Redis that went back in between would have lost the mark.
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
        `Shard ${shard} is before the freeze of ${month} in ${detail}: Redis lost its tail and is being filled from ` +
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

export async function removeMark(store: Store, shard: number, run: string): Promise<void> {
  await store.redis.hdel(store.keys.shard(shard).seals, run);
}
