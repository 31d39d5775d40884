import { checkNothingDropped } from '../../redis/checks/dropped-keys';
import {
  checkNotTorn,
  checkWritesEnded,
  eachProjectThatDiffers,
  TORN_SHARD_REMEDY,
} from '../../redis/checks/find-double-counts';
import type { Store } from '../../redis/store';
import type { Held } from './held-projects';

/**
 * Refuses to begin a close on a Redis that has dropped keys, or whose shards were written in part.
 *
 * @throws TallymanError `REDIS_EVICTED`, `REDIS_MAY_EVICT`, `SHARD_TORN`
 */
export async function checkRedisIsWhole(store: Store, shardCount: number): Promise<void> {
  await checkNothingDropped(store);
  await checkNotTorn(store, shardCount);
}

/** The same as far as it can change while a close runs; quick enough to be asked for each page. */
export async function checkRedisStaysWhole(store: Store, shardCount: number): Promise<void> {
  await checkNothingDropped(store);
  await checkWritesEnded(store, shardCount);
}

/** The projects whose days of a month do not add up to their totals, and how the close holds them. */
export interface DoubleCounts {
  readonly projects: ReadonlyMap<string, Held>;
  readonly hold: (page: readonly { readonly project: string }[]) => Promise<Held[]>;
}

/** Compares the days of each project of a month with its totals. */
export async function holdDoubleCounts(
  store: Store,
  shardCount: number,
  month: string,
): Promise<DoubleCounts> {
  const projects = new Map<string, Held>();
  for await (const { project, shard, fields } of eachProjectThatDiffers(store, shardCount, month)) {
    projects.set(project, {
      project,
      code: 'DAYS_DIFFER',
      detail: `its days of ${month} in shard ${shard} do not add up to its totals: ${fields.join(', ')}`,
      remedy: `${TORN_SHARD_REMEDY} Then run \`tallyman close ${month}\` again.`,
    });
  }
  const hold: DoubleCounts['hold'] = (page) =>
    Promise.resolve(page.flatMap(({ project }) => projects.get(project) ?? []));
  return { projects, hold };
}
