import { TallymanError } from '../../lib/errors';
import { eachPageOfMembers } from '../scan';
import { readCutOffs } from '../cut-offs';
import { FINGERPRINT_BYTES } from '../apply/fingerprint';
import { dedupWindows } from '../apply/forget-ids';
import type { DamagedQuantity } from '../usage/quantity';
import { readMonths } from '../usage/read-shard';
import type { Store } from '../store';

/**
 * Finds what was counted twice, or in part, whatever the cause was. A correct count adds the same
 * usage to totals and to days, stores 8 bytes for each id that it counts, and ends each write that
 * it begins. If one of these is violated, nothing of the shard, or of the project, may be invoiced.
 */

/** A shard in which a script's writes took effect in part, or some of them twice. */
export interface TornShard {
  readonly shard: number;
  /** The difference, in words. */
  readonly problem: string;
}

/** A project whose days do not add up to its totals. */
export interface ProjectThatDiffers {
  readonly project: string;
  readonly shard: number;
  /** The names of the totals that differ, in order: meter, or `<month>@<meter>`. */
  readonly fields: readonly string[];
  /** What cannot be read at all. */
  readonly damaged: readonly DamagedQuantity[];
}

export const REBUILD_REMEDY = 'Stop the consumers, then run `tallyman rebuild --empty`.';

/**
 * The shards that are torn. An installation that was filled before writes were counted holds
 * neither number, so the two are equal.
 *
 * @param shardCount the number of Kafka's partitions
 */
export async function findTornShards(store: Store, shardCount: number): Promise<TornShard[]> {
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const problems = await Promise.all(shards.map((shard) => problemOf(store, shard)));
  return problems.flatMap((problem, shard) => (problem === undefined ? [] : [{ shard, problem }]));
}

/**
 * Refuses to continue with shards that are torn.
 *
 * @throws TallymanError `SHARD_TORN`
 */
export async function checkNotTorn(store: Store, shardCount: number): Promise<void> {
  refuseTorn(await findTornShards(store, shardCount));
}

function refuseTorn(torn: readonly TornShard[]): void {
  if (torn.length > 0) throw shardTorn(torn);
}

export function shardTorn(torn: readonly TornShard[]): TallymanError {
  const [first] = torn;
  const others = torn.length === 1 ? '' : ` (and ${torn.length - 1} more shards)`;
  return new TallymanError(
    'SHARD_TORN',
    `Shard ${first!.shard} was written in part${others}: ${first!.problem}. Redis may have counted usage twice when it ` +
      `restarted after a crash. ${REBUILD_REMEDY}`,
    { torn },
  );
}

/**
 * Refuses to continue with shards whose writes were begun and not ended, or ended twice. This is
 * the quick half of `checkNotTorn`.
 *
 * @throws TallymanError `SHARD_TORN`
 */
export async function checkWritesEnded(store: Store, shardCount: number): Promise<void> {
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const writes = (await store.send(
    shards.map((shard) => ['hmget', store.keys.shard(shard).writes, 'begun', 'ended']),
  )) as [string | null, string | null][];
  refuseTorn(
    writes.flatMap(([begun, ended], shard) => {
      const problem = problemOfWrites(begun ?? '0', ended ?? '0');
      return problem === undefined ? [] : [{ shard, problem }];
    }),
  );
}

function problemOfWrites(begun: string, ended: string): string | undefined {
  return begun === ended ? undefined : `${begun} writes began, ${ended} ended`;
}

async function problemOf(store: Store, shard: number): Promise<string | undefined> {
  const { writes, idsStem } = store.keys.shard(shard);
  const periods = dedupWindows([...(await readCutOffs(store, shard)).keys()]);
  const [begun, ended, ...ids] = await store.redis.readWrites(writes, idsStem, ...periods);
  const problem = problemOfWrites(begun, ended);
  if (problem !== undefined) return problem;
  for (let i = 0; i + 3 < ids.length; i += 4) {
    const [period, topic, counted, stored] = ids.slice(i, i + 4);
    if (Number(stored) !== Number(counted) * FINGERPRINT_BYTES) {
      return `${counted} ids of ${topic} in ${period} are counted, ${Number(stored) / FINGERPRINT_BYTES} are stored`;
    }
  }
  return undefined;
}

/**
 * The projects whose days of a month do not add up to their totals, shard by shard. It reads totals
 * and days of some projects at one point of the log, so it may run while consumers count.
 */
export async function* eachProjectThatDiffers(
  store: Store,
  shardCount: number,
  month: string,
): AsyncGenerator<ProjectThatDiffers, void, undefined> {
  for (let shard = 0; shard < shardCount; shard += 1) {
    for await (const members of eachPageOfMembers(store, store.keys.projectsOfMonth(shard, month))) {
      for (const { project, totals, daily, damaged } of await readMonths(store, shard, month, members)) {
        const fields = totalsThatDiffer(month, totals, daily);
        if (fields.length > 0 || damaged.length > 0) yield { project, shard, fields, damaged };
      }
    }
  }
}

/**
 * The names of a month's totals to which its days do not add up, in order. A total that is not
 * stored is 0.
 */
export function totalsThatDiffer(
  month: string,
  totals: ReadonlyMap<string, bigint>,
  daily: ReadonlyMap<string, bigint>,
): string[] {
  const rest = new Map(totals);
  for (const [field, quantity] of daily) {
    const name = totalOf(month, field);
    rest.set(name, (rest.get(name) ?? 0n) - quantity);
  }
  return [...rest].flatMap(([name, difference]) => (difference === 0n ? [] : [name])).sort();
}

/**
 * Turns `2026-11-05/agent.session` into `agent.session`, or into `2026-11@agent.session` in the
 * totals of another month.
 */
function totalOf(month: string, dailyField: string): string {
  const slash = dailyField.indexOf('/');
  const usageMonth = dailyField.slice(0, 'YYYY-MM'.length);
  const meter = dailyField.slice(slash + 1);
  return usageMonth === month ? meter : `${usageMonth}@${meter}`;
}
