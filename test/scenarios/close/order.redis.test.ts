import { consumerNamed } from '../../../consumers';
import { rateMessage } from '../../../consumers/decode/rate-message';
import { buildCatalog } from '../../../src/billing/catalog/build-catalog';
import type { CatalogDocument } from '../../../src/billing/catalog/catalog';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import { parseInvoiceId } from '../../../src/billing/invoice/invoice-id';
import { issueInvoices } from '../../../src/close/issue-invoices';
import { centsDue, type PriceList } from '../../../src/oracle/invoice-oracle';
import { createOracle } from '../../../src/oracle/usage-oracle';
import { createRandom, type Random } from '../../../src/oracle/random';
import { createWorkload, type WorkloadRecord } from '../../../src/oracle/workload';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { roundingTable } from '../../../src/rating/rounding';
import type { RatedEvent } from '../../../src/rating/usage';
import type { Publisher } from '../../../src/kafka/producer';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor, readCursors } from '../../../src/redis/cursors';
import { freeze } from '../../../src/redis/cut-offs';
import { readInvoices } from '../../../src/redis/views/invoices';
import { writeInvoices, type ShownInvoice } from '../../../src/redis/views/write-invoices';
import { writeProject } from '../../../src/redis/views/projects';
import { writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { builtInDocument } from '../../kit/built-in-catalog';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

const ORDERS = 50;
const PLANS = new Map([
  ['acme', 'ship'],
  ['globex', 'build'],
  ['initech', 'scale'],
  ['__proto__', 'metered'],
]);
const PROJECTS = [...PLANS.keys()];
const planOf = (project: string): string => PLANS.get(project)!;
/** The last one takes in what came late. */
const MONTHS = ['2026-06', '2026-07', '2026-08', '2026-09'];
const TOPICS = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'];
const calendar = createBillingCalendar('UTC');
/**
 * Beside the built-in plans one without a fee, and with nothing included: what is taken back
 * exceeds what is due there.
 */
const document: CatalogDocument = {
  ...builtInDocument,
  plans: [
    ...builtInDocument.plans,
    { plan: 'metered', name: 'Metered', from: '2024-01-01', fee: '0', atQuota: 'overage' },
  ],
  rates: builtInDocument.rates.map((rate) => {
    const { ship } = rate.plans ?? {};
    return ship === undefined ? rate : { ...rate, plans: { ...rate.plans, metered: ship } };
  }),
};
const built = buildCatalog(document);
if (!built.ok) throw new Error(built.problems.join('\n'));
const { catalog } = built;
const rating = {
  rounding: roundingTable('per-minute'),
  calendar,
  limits: { futureMs: 3_600_000, pastMs: 400 * 86_400_000, durationMs: 31 * 86_400_000 },
};

/** What is delivered: a record, and what it says. */
interface Delivery {
  readonly record: WorkloadRecord;
  readonly event: RatedEvent;
  readonly identity: string;
}

/**
 * Usage of three months, with repeats and voids. Repeats that say something else are left out: the
 * first of them holds.
 */
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

/**
 * Any order, in periods between closes: ids are remembered for two, so an identity keeps to two in
 * a row.
 *
 * @param voidsLast all that is taken back is so in the last period, where little else is
 */
function shuffled(all: readonly Delivery[], random: Random, voidsLast: boolean): Delivery[][] {
  const periods: [number, Delivery][][] = MONTHS.map(() => []);
  const firstPeriod = new Map<string, number>();
  for (const delivery of all) {
    const earliest = voidsLast ? MONTHS.length - 2 : 0;
    const first = firstPeriod.get(delivery.identity) ?? random.between(earliest, MONTHS.length - 2);
    firstPeriod.set(delivery.identity, first);
    const later = voidsLast ? (delivery.event.isVoid ? 1 : 0) : random.between(0, 1);
    periods[first + later]!.push([random.next(), delivery]);
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

/** As a close does it, without Kafka: what would be published is shown at once. */
async function close(store: Store, month: string): Promise<void> {
  await freeze(store, 0, month);
  const published: ShownInvoice[] = [];
  const publisher: Publisher = {
    publish: (_topic, records) => {
      for (const { key, value } of records) {
        const { project, entry } = parseInvoiceId(String(key))!;
        published.push({ project, entry, json: String(value) });
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  const report = await issueInvoices({
    ...{ store, calendar, catalog, month, issuedAt: '2026-10-01T00:00:00.000Z' },
    progress: { update: () => undefined, end: () => undefined },
    ledger: { publisher, topic: 'billing.invoices', mayPublish: () => Promise.resolve() },
  });
  expect(report.drafts).toEqual([]);
  await writeInvoices(store, published);
}

/** A project's invoices and credit notes, in order. */
async function documentsOf(store: Store, project: string): Promise<Invoice[]> {
  return [...(await readInvoices(store, project)).values()].map((json) => JSON.parse(json) as Invoice);
}

const numbersOf = (documents: readonly Invoice[]): (string | null)[] => documents.map(({ number }) => number);

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
    let creditNotes = 0;
    for (let order = 0; order < ORDERS; order += 1) {
      const random = createRandom(order);
      await writeShardCount(store, 1);
      for (const topic of TOPICS) await initCursor(store, 0, topic, 0);
      for (const project of PROJECTS)
        await writeProject(store, { project, plans: [{ plan: planOf(project), from: '2026-06-01' }] });
      for (const [i, period] of shuffled(all, random, order % 3 === 0).entries()) {
        await deliver(store, period, random);
        await close(store, MONTHS[i]!);
      }
      for (const [i, project] of PROJECTS.entries()) {
        const documents = await documentsOf(store, project);
        const charged = documents.reduce((sum, { total }) => sum + BigInt(total.replace('.', '')), 0n);
        expect([order, project, charged]).toEqual([order, project, expected[i]]);
        const [notes, invoices] = [true, false].map((isNote) =>
          documents.filter(({ kind }) => (kind === 'credit_note') === isNote),
        ) as [Invoice[], Invoice[]];
        expect(numbersOf(invoices)).toEqual(invoices.map((_, at) => `${project}-000${at + 1}`));
        expect(numbersOf(notes)).toEqual(notes.map((_, at) => `${project}-CN000${at + 1}`));
        creditNotes += notes.length;
        negative += invoices
          .flatMap(({ lines }) => lines)
          .filter(({ kind, quantity }) => kind === 'late' && quantity.startsWith('-')).length;
      }
      await store.redis.del(await store.redis.keys(`${prefix}:*`));
    }
    expect(negative).toBeGreaterThan(ORDERS); // Voids of closed months were on the invoices,
    expect(creditNotes).toBeGreaterThan(ORDERS / 4); // and beyond what was due on credit notes.
  } finally {
    await store.close();
  }
}, 120_000);
