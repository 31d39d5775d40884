import { checkNothingDropped } from '../../redis/checks/dropped-keys';
import {
  checkNotTorn,
  checkWritesEnded,
  eachProjectThatDiffers,
  REBUILD_REMEDY,
} from '../../redis/checks/find-double-counts';
import { findUnlistedTotals } from '../../redis/checks/find-unlisted';
import type { Store } from '../../redis/store';
import { describeDamage } from '../../redis/usage/quantity';
import type { Held } from './held-projects';

/**
 * Refuses to begin a close if Redis has evicted keys, or if a shard was written in part.
 *
 * @throws TallymanError `REDIS_EVICTED`, `REDIS_MAY_EVICT`, `SHARD_TORN`
 */
export async function checkRedisIsWhole(store: Store, shardCount: number): Promise<void> {
  await checkNothingDropped(store);
  await checkNotTorn(store, shardCount);
}

/** The part of it that can change while a close runs. It is fast enough to run for each page. */
export async function checkRedisStaysWhole(store: Store, shardCount: number): Promise<void> {
  await checkNothingDropped(store);
  await checkWritesEnded(store, shardCount);
}

/** The projects with damaged totals in Redis, and why the close holds them. */
export interface DamagedProjects {
  readonly projects: ReadonlyMap<string, Held>;
  readonly hold: (page: readonly { readonly project: string }[]) => Promise<Held[]>;
}

/**
 * Compares the days of each project of a month with its totals, and searches for totals that no
 * month's set of projects lists. Other months count as well, because a later close bills them, or
 * late usage is priced by them.
 */
export async function holdDamagedProjects(
  store: Store,
  shardCount: number,
  month: string,
): Promise<DamagedProjects> {
  const projects = new Map<string, Held>();
  const remedy = `${REBUILD_REMEDY} Then run \`tallyman close ${month}\` again.`;
  for (const { project, shard, month: of } of await findUnlistedTotals(store)) {
    const detail = `it has totals of ${of} in shard ${shard}, and the month's set of projects does not contain it`;
    projects.set(project, { project, code: 'PROJECT_UNLISTED', detail, remedy });
  }
  for await (const { project, shard, fields, damaged: unreadable } of eachProjectThatDiffers(
    store,
    shardCount,
    month,
  )) {
    if (unreadable.length > 0) {
      const detail = unreadable.map(describeDamage).join('; ');
      projects.set(project, { project, code: 'UNREADABLE', detail, remedy });
      continue;
    }
    const detail = `its days of ${month} in shard ${shard} do not add up to its totals: ${fields.join(', ')}`;
    projects.set(project, { project, code: 'DAYS_DIFFER', detail, remedy });
  }
  const hold: DamagedProjects['hold'] = (page) =>
    Promise.resolve(page.flatMap(({ project }) => projects.get(project) ?? []));
  return { projects, hold };
}
