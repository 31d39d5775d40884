import { consumerNamed } from '../../consumers';
import { rateMessage } from '../../consumers/rate-message';
import { buildInvoice } from '../../src/billing/build-invoice';
import { carriedCreditOf } from '../../src/billing/correction-credits';
import type { Invoice } from '../../src/billing/invoice';
import { loadCatalog } from '../../src/catalog-file';
import { readInvoiceInput } from '../../src/close/invoice-inputs';
import { centsDue, type PriceList } from '../../src/demo/invoice-oracle';
import { createOracle } from '../../src/demo/oracle';
import { createRandom, type Random } from '../../src/demo/random';
import { createWorkload, type WorkloadRecord } from '../../src/demo/workload';
import { createBillingCalendar } from '../../src/rating/billing-calendar';
import { roundingTable } from '../../src/rating/rounding';
import type { RatedEvent } from '../../src/rating/usage';
import { apply } from '../../src/totals/apply';
import { initCursor, readCursors } from '../../src/totals/cursors';
import { freeze } from '../../src/totals/freeze';
import { readInvoices, writeInvoice } from '../../src/totals/invoices';
import { writeProject } from '../../src/totals/projects';
import { projectsOf, writeShardCount } from '../../src/totals/read';
import { openStore, type Store } from '../../src/totals/store';
import { testRedisUrl, uniquePrefix } from '../support/services';

const ORDERS = 50;
const PLANS = { acme: 'ship', globex: 'build', initech: 'scale', ['__proto__']: 'ship' };
const PROJECTS = ['acme', 'globex', 'initech', '__proto__'];
const planOf = (project: string): string => (project === '__proto__' ? 'ship' : PLANS[project as 'acme']);
/** The last one takes in what came late. */
const MONTHS = ['2026-06', '2026-07', '2026-08', '2026-09'];
const TOPICS = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'];
const calendar = createBillingCalendar('UTC');
const { catalog, document } = loadCatalog(undefined);
const rating = {
  rounding: roundingTable('per-minute'),
  calendar,
  limits: { futureMs: 3_600_000, pastMs: 400 * 86_400_000 },
};

/** What is delivered: a record, and what it says. */
interface Delivery {
  readonly record: WorkloadRecord;
  readonly event: RatedEvent;
  readonly identity: string;
}

/** Usage of three months, with repeats and voids. Repeats that say something else are left out: the first of them holds. */
function deliveries(): Delivery[] {
  const said = new Map<string, string>();
  const options = {
    events: 700,
    projects: PROJECTS,
    monthBefore: 0.2,
    duplicates: 0.1,
    voids: 0.1,
    malformed: 0,
  };
  return MONTHS.slice(1, 3).flatMap((month, seed) =>
    [...createWorkload({ ...options, seed: seed + 1, month })].flatMap((record) => {
      const rated = rateMessage(consumerNamed(record.topic.slice(6)), { offset: 0, ...record }, rating);
      if (!rated.ok) throw new Error(rated.detail);
      const { event } = rated;
      const identity = JSON.stringify([record.topic, event.project, event.source, event.id]);
      const says = JSON.stringify([event.day, event.usages]);
      if ((said.get(identity) ?? says) !== says) return [];
      said.set(identity, says);
      return [{ record, event, identity }];
    }),
  );
}

/** Any order, in periods between closes: ids are remembered for two, so an identity keeps to two in a row. */
function shuffled(all: readonly Delivery[], random: Random): Delivery[][] {
  const periods: [number, Delivery][][] = MONTHS.map(() => []);
  const firstPeriod = new Map<string, number>();
  for (const delivery of all) {
    const first = firstPeriod.get(delivery.identity) ?? random.between(0, MONTHS.length - 2);
    firstPeriod.set(delivery.identity, first);
    periods[first + random.between(0, 1)]!.push([random.next(), delivery]);
  }
  return periods.map((period) => period.sort(([a], [b]) => a - b).map(([, delivery]) => delivery));
}

async function deliver(store: Store, period: readonly Delivery[], random: Random): Promise<void> {
  for (const topic of TOPICS) {
    const due = period.filter(({ record }) => record.topic === topic);
    let from = (await readCursors(store, 0)).get(topic)!;
    while (due.length > 0) {
      const events = due
        .splice(0, random.between(1, 400))
        .map(({ event }, i) => ({ ...event, offset: from + i }));
      const chunk = { topic, from, next: from + events.length, events };
      expect(await apply(store, 0, chunk)).toMatchObject({ answer: 'APPLIED' });
      from = chunk.next;
    }
  }
}

/** As a close does it, without Kafka. */
async function close(store: Store, month: string): Promise<void> {
  await freeze(store, 0, month);
  const withUsage: string[] = [];
  for await (const project of projectsOf(store, month)) withUsage.push(project);
  for (const project of new Set([...withUsage, ...PROJECTS])) {
    const number = `${project}-${String((await readInvoices(store, project)).size + 1).padStart(4, '0')}`;
    const terms = { store, calendar, catalog, month, issuedAt: '2026-10-01T00:00:00.000Z' };
    const { status, invoice } = buildInvoice(await readInvoiceInput(terms, project, number));
    expect(status).not.toBe('draft');
    if (status === 'issued') await writeInvoice(store, project, month, JSON.stringify(invoice));
  }
}

/** What a project was charged in all, less the credit it still has. */
async function chargedCents(store: Store, project: string): Promise<bigint> {
  const cents = (amount: string): bigint => BigInt(amount.replace('.', ''));
  const invoices = [...(await readInvoices(store, project)).values()].map(
    (json) => JSON.parse(json) as Invoice,
  );
  const last = invoices.at(-1);
  const open = last === undefined || carriedCreditOf(last) === '0' ? 0n : cents(carriedCreditOf(last));
  return invoices.reduce((sum, { total }) => sum + cents(total), 0n) - open;
}

test(`in ${ORDERS} orders of the same events, with closes in between, each project is charged the same`, async () => {
  const prefix = uniquePrefix();
  const store = await openStore({ url: testRedisUrl(), prefix });
  const all = deliveries();
  const oracle = createOracle();
  for (const { record } of all) oracle.add(record);
  expect(oracle.counts.voided).toBeGreaterThan(50);
  const expected = PROJECTS.map((project) => {
    const totals = oracle.totals.get(project) ?? new Map();
    const prices = document as unknown as PriceList;
    return MONTHS.reduce((sum, month) => sum + centsDue(prices, planOf(project), month, totals), 0n);
  });
  try {
    let negative = 0;
    for (let order = 0; order < ORDERS; order += 1) {
      const random = createRandom(order);
      await writeShardCount(store, 1);
      for (const topic of TOPICS) await initCursor(store, 0, topic, 0);
      for (const project of PROJECTS)
        await writeProject(store, { project, plans: [{ plan: planOf(project), from: '2026-06-01' }] });
      for (const [i, period] of shuffled(all, random).entries()) {
        await deliver(store, period, random);
        await close(store, MONTHS[i]!);
      }
      for (const [i, project] of PROJECTS.entries()) {
        expect([order, project, await chargedCents(store, project)]).toEqual([order, project, expected[i]]);
        for (const json of (await readInvoices(store, project)).values())
          negative += (JSON.parse(json) as Invoice).lines.filter(
            ({ kind, quantity }) => kind === 'late' && quantity.startsWith('-'),
          ).length;
      }
      await store.redis.del(await store.redis.keys(`${prefix}:*`));
    }
    expect(negative).toBeGreaterThan(ORDERS); // Voids of closed months were on the invoices.
  } finally {
    await store.close();
  }
}, 120_000);
