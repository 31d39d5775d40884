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

/** Whether each of these projects has an invoice in a month; in their order. */
export async function areInvoiced(
  store: Store,
  month: string,
  projects: readonly string[],
): Promise<boolean[]> {
  if (projects.length === 0) return [];
  const answers = await store.redis.smismember(store.keys.invoiced(month), ...projects);
  return answers.map((answer) => answer === 1);
}

/** What a project was invoiced when a month is closed. */
export interface InvoicedBefore {
  /** All its invoices. */
  readonly count: number;
  /** The month's own as JSON, if it was issued already. */
  readonly own?: string;
  /**
   * The one issued before it, by its number, as JSON. Normally that of an earlier month; but a month whose invoice was a
   * draft for long may come after a later one, and what that one carried on must not be taken twice.
   */
  readonly last?: string;
}

/** What several projects were invoiced so far; in their order. Normally reads two invoices of each at most. */
export async function readInvoicedBefore(
  store: Store,
  month: string,
  projects: readonly string[],
): Promise<InvoicedBefore[]> {
  const keys = projects.map((project) => store.keys.invoices(project));
  const months = (await store.send(keys.map((key) => ['hkeys', key]))) as string[][];
  const own = await readFields(
    store,
    keys,
    months.map((all) => (all.includes(month) ? month : undefined)),
  );
  const wanted = own.map((json, i) => (json === undefined ? months[i]!.length : numberOf(json) - 1));
  const likely = months.map((all, i) => {
    const before = own[i] === undefined ? all : all.filter((one) => one < month);
    return wanted[i] === 0 ? undefined : before.sort().at(-1);
  });
  const last = await readFields(store, keys, likely);
  for (const [i, number] of wanted.entries()) {
    if (number === 0 || (last[i] !== undefined && numberOf(last[i]) === number)) continue;
    last[i] = (await store.redis.hvals(keys[i]!)).find((json) => numberOf(json) === number);
  }
  return months.map((all, i) => ({
    count: all.length,
    ...(own[i] !== undefined && { own: own[i] }),
    ...(last[i] !== undefined && { last: last[i] }),
  }));
}

/** One field of each hash, where one is named. */
async function readFields(
  store: Store,
  keys: readonly string[],
  fields: readonly (string | undefined)[],
): Promise<(string | undefined)[]> {
  const found = await store.send(
    keys.flatMap((key, i) => (fields[i] === undefined ? [] : [['hget', key, fields[i]] as const])),
  );
  let next = 0;
  return fields.map((field) => (field === undefined ? undefined : (found[next++] as string)));
}

/** The running number of an issued invoice: 3 of `acme-0003`. */
function numberOf(json: string): number {
  const { number } = JSON.parse(json) as { number: string };
  return Number(number.slice(number.lastIndexOf('-') + 1));
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
