import { TallymanError } from '../../lib/errors';
import { eachPageOfMembers } from '../scan';
import type { Store } from '../store';
import { partsOf } from './frozen-month';
import { eachRun, leftField } from './left-months';
import { indexText, parseIndex, type MonthIndex } from './month-index';
import { readMonths } from './read-shard';

/**
 * Compares a closed month of a shard with what the ledger holds, byte for byte.
 *
 * @returns the first difference, in words; undefined if there is none
 */
export async function findDifference(
  store: Store,
  shard: number,
  month: string,
  index: MonthIndex,
): Promise<string | undefined> {
  const listed = await store.redis.scard(store.keys.projectsOfMonth(shard, month));
  if (listed !== index.projects) return otherCount(shard, listed, index);
  for await (const run of eachRun(store, shard, month, index)) {
    for (const { project, isListed, totals, daily, damaged } of await readMonths(store, shard, month, [
      ...run.keys(),
    ])) {
      const values = partsOf({ month, shard, project }, totals, daily).map((part) => JSON.stringify(part));
      const expected = run.get(project)!.values;
      const isEqual = values.length === expected.length && values.every((value, i) => value === expected[i]);
      if (!isListed || damaged.length > 0 || !isEqual)
        return `${project} in shard ${shard} is not what billing.totals holds`;
    }
  }
  return undefined;
}

/**
 * Makes every reader read a closed month of a shard from the ledger. It must have been compared
 * with `findDifference`.
 *
 * @throws TallymanError `MONTH_DIFFERS`, `UNFROZEN`, `BEHIND_FREEZE`
 */
export async function beginLeaving(
  store: Store,
  shard: number,
  month: string,
  index: MonthIndex,
): Promise<void> {
  const { left, cursor, closed, writes } = store.keys.shard(shard);
  const [answer, detail] = await store.redis.beginLeaving(
    ...([left, cursor, closed, store.keys.projectsOfMonth(shard, month), writes] as const),
    ...([month, index.projects, indexText(index), leftField(month), index.digest] as const),
  );
  if (answer === 'LEAVING') return;
  if (answer === 'COUNT') throw monthDiffers(month, otherCount(shard, detail, index));
  throw new TallymanError(
    answer === 'UNFROZEN' ? 'UNFROZEN' : 'BEHIND_FREEZE',
    `Shard ${shard} is not complete up to the freeze of ${month}: let the consumers catch up, and run the close again.`,
    { shard, month },
  );
}

/**
 * Stores where the ledger holds a month, for a rebuild. What left Redis before must be what the
 * ledger holds now, wherever it is.
 *
 * @throws TallymanError `LEDGER_MOVED`
 */
export async function restoreMonthIndex(
  store: Store,
  shard: number,
  month: string,
  index: MonthIndex,
): Promise<void> {
  const { left, writes } = store.keys.shard(shard);
  const noted = await store.redis.hget(writes, leftField(month));
  const before = noted ?? parseIndex((await store.redis.hget(left, month)) ?? '')?.digest;
  if (before !== undefined && before !== index.digest)
    throw new TallymanError(
      'LEDGER_MOVED',
      `billing.totals does not hold what shard ${shard} of ${month} held when it left Redis. Restore the topic from a copy.`,
      { shard, month },
    );
  await store.redis.hset(left, month, indexText(index));
  await store.redis.hset(writes, leftField(month), index.digest);
}

/**
 * Deletes what a shard holds of a month that leaves, project by project, if it is what the ledger
 * holds. It may be repeated.
 *
 * @throws TallymanError `MONTH_DIFFERS`, `REDIS_WENT_BACK`
 */
export async function deleteLeaving(
  store: Store,
  shard: number,
  month: string,
  index: MonthIndex,
): Promise<void> {
  const { keys } = store;
  const { left } = keys.shard(shard);
  const projects = keys.projectsOfMonth(shard, month);
  for await (const run of eachRun(store, shard, month, index)) {
    await Promise.all(
      [...run].map(async ([project, { totals, daily }]) => {
        const fields = [...totals, ...daily].flatMap(([field, quantity]) => [field, String(quantity)]);
        const [answer, key] = await store.redis.leaveMonth(
          ...[left, keys.totals(shard, month, project), keys.daily(shard, month, project)],
          ...[projects, month, project, totals.size, daily.size, ...fields],
        );
        if (answer === 'DIFFERS')
          throw monthDiffers(month, `${key} has changed since it was compared with billing.totals`);
        if (answer === 'NOT_LEAVING')
          throw new TallymanError(
            'REDIS_WENT_BACK',
            `Redis went back while ${month} left it. Nothing was lost. The next close tries again.`,
            { month, shard },
          );
      }),
    );
  }
  for await (const [project] of eachPageOfMembers(store, projects))
    if (project !== undefined)
      throw monthDiffers(month, `billing.totals does not hold ${project}, which shard ${shard} lists`);
}

const otherCount = (shard: number, listed: string | number | undefined, { projects }: MonthIndex): string =>
  `shard ${shard} lists ${listed} projects in Redis, and ${projects} in billing.totals`;

export function monthDiffers(month: string, detail: string): TallymanError {
  return new TallymanError('MONTH_DIFFERS', `${month} stays in Redis: ${detail}.`, { month });
}
