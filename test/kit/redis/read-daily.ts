import { readUsage } from '../../../src/redis/usage/read-shard';
import { placeProjects } from '../../../src/redis/usage/read-usage';
import type { Store } from '../../../src/redis/store';

/** A project's usage of a month by day, where a close finds it. */
export async function readDaily(
  store: Store,
  project: string,
  month: string,
): Promise<ReadonlyMap<string, bigint>> {
  const [usage] = await readUsage(store, month, await placeProjects(store, month, [project]));
  return usage!.daily;
}
