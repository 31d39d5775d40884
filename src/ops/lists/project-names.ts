import { polled, type Polled } from '../../lib/process/poller';
import { eachPageOfListed } from '../../redis/usage/left-months';
import type { Store } from '../../redis/store';
import { invoicedInOrder } from '../../redis/views/invoices';
import { eachPageOfProjectNames } from '../../redis/views/projects';
import { readShardCount } from '../../redis/usage/read-usage';

/** Names of projects in their order, which lists go through page by page. */
export interface ProjectNames {
  /** The projects that were set, and those with usage in the month. */
  ofMonth(month: string): Promise<readonly string[]>;
  /** The projects with an invoice or a credit note in the month. */
  invoiced(month: string): Promise<readonly string[]>;
}

/** The names of this many months are kept. 100,000 names take about 5 MB. */
const MONTHS_KEPT = 3;

/**
 * Redis keeps names without an order, so they are sorted here, and kept until Redis holds others.
 * Sets of names only grow between two rebuilds, so their sizes show a change.
 */
export function createProjectNames(store: Store): ProjectNames {
  const ofMonth = keptByMonth(
    (month) => versionOfMonth(store, month),
    (month) => readNames(store, month),
  );
  const invoiced = keptByMonth(
    async (month) => versionOf(store, [['scard', store.keys.invoiced(month)]]),
    (month) => invoicedInOrder(store, month),
  );
  return { ofMonth, invoiced };
}

type Names = readonly string[];

function keptByMonth(
  readVersion: (month: string) => Promise<string>,
  read: (month: string) => Promise<Names>,
): (month: string) => Promise<Names> {
  const kept = new Map<string, { readonly version: string; readonly names: Polled<Names> }>();
  return async (month) => {
    // Read before the names: a change in between is found by the next call.
    const version = await readVersion(month);
    let one = kept.get(month);
    if (one?.version !== version)
      one = { version, names: polled(Number.POSITIVE_INFINITY, () => read(month)) };
    kept.delete(month); // The month that was used last is at the end.
    kept.set(month, one);
    if (kept.size > MONTHS_KEPT) kept.delete(kept.keys().next().value!);
    return one.names.refresh();
  };
}

async function versionOfMonth(store: Store, month: string): Promise<string> {
  const { keys } = store;
  const shardCount = await readShardCount(store);
  return versionOf(store, [
    // A project may be withdrawn and another one be set: the position moves then.
    ['get', keys.projectsShown],
    ['hlen', keys.projects],
    ...Array.from(
      { length: shardCount },
      (_, shard) => ['scard', keys.projectsOfMonth(shard, month)] as const,
    ),
  ]);
}

async function versionOf(store: Store, commands: readonly (readonly [string, string])[]): Promise<string> {
  return JSON.stringify(await store.send([['get', store.keys.generation], ...commands]));
}

async function readNames(store: Store, month: string): Promise<Names> {
  const names = new Set<string>();
  const add = async (pages: AsyncIterable<string[]>): Promise<void> => {
    for await (const page of pages) page.forEach((name) => names.add(name));
  };
  // Together, since each of them waits for many answers of Redis, one after the other.
  await Promise.all([
    add(eachPageOfProjectNames(store)),
    ...Array.from({ length: await readShardCount(store) }, (_, shard) =>
      add(eachPageOfListed(store, shard, month)),
    ),
  ]);
  return [...names].sort();
}

/** The place of the first name after `after` in names that are in order. */
export function placeAfter(names: readonly string[], after: string | undefined): number {
  if (after === undefined) return 0;
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
