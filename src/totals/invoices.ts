import { eachMember } from './each-member';
import type { Store } from './store';

/**
 * Shows an invoice: a view of the invoice ledger.
 *
 * @param json as published, byte for byte
 */
export async function writeInvoice(
  store: Store,
  project: string,
  month: string,
  json: string,
): Promise<void> {
  await store.redis.hset(store.keys.invoices(project), month, json);
  // Second, so that every project that the set names has its invoice. (On a cluster the two keys live apart.)
  await store.redis.sadd(store.keys.invoiced(month), project);
}

/** Shows invoices of a month, as `writeInvoice` does. */
export async function writeInvoices(
  store: Store,
  month: string,
  invoices: readonly { readonly project: string; readonly json: string }[],
): Promise<void> {
  if (invoices.length === 0) return;
  await store.send(
    invoices.map(({ project, json }) => ['hset', store.keys.invoices(project), month, json] as const),
  );
  await store.redis.sadd(store.keys.invoiced(month), ...invoices.map(({ project }) => project));
}

/** What a project was invoiced when a month is closed. */
export interface InvoicedBefore {
  /** All its invoices. */
  readonly count: number;
  /** The month's own as JSON, if it was issued already. */
  readonly own?: string;
  /** The last one of an earlier month as JSON. */
  readonly last?: string;
}

/** What several projects were invoiced so far; in their order. Reads two invoices of each at most. */
export async function readInvoicedBefore(
  store: Store,
  month: string,
  projects: readonly string[],
): Promise<InvoicedBefore[]> {
  const keys = (await store.send(
    projects.map((project) => ['hkeys', store.keys.invoices(project)]),
  )) as string[][];
  const wanted = keys.map((months) => {
    const own = months.includes(month) ? month : undefined;
    const last = months
      .filter((one) => one < month)
      .sort()
      .at(-1);
    return { own, last };
  });
  const found = (await store.send(
    wanted.flatMap(({ own, last }, i) =>
      [own, last].flatMap((one) =>
        one === undefined ? [] : [['hget', store.keys.invoices(projects[i]!), one] as const],
      ),
    ),
  )) as string[];
  let next = 0;
  return wanted.map(({ own, last }, i) => ({
    count: keys[i]!.length,
    ...(own !== undefined && { own: found[next++]! }),
    ...(last !== undefined && { last: found[next++]! }),
  }));
}

/** A project's invoice of a month as JSON; undefined where there is none. */
export async function readInvoice(store: Store, project: string, month: string): Promise<string | undefined> {
  return (await store.redis.hget(store.keys.invoices(project), month)) ?? undefined;
}

/** A project's invoices in order: month -> JSON. */
export async function readInvoices(store: Store, project: string): Promise<Map<string, string>> {
  const invoices = Object.entries(await store.redis.hgetall(store.keys.invoices(project)));
  return new Map(invoices.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The projects with an invoice in a month, each once, in no order. */
export function invoicedProjects(store: Store, month: string): AsyncGenerator<string, void, undefined> {
  return eachMember(store, store.keys.invoiced(month));
}
