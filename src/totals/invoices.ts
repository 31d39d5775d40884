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
