import { centsDue, type PriceList } from '../../../src/oracle/invoice-oracle';
import { openKafka } from '../../../src/kafka/client';
import { readTopic } from '../../kit/kafka/read-topic';
import type { Installation } from '../../kit/tallyman';
import { compare, judge } from '../support/judge';
import { onRedis } from '../support/proxy/redis-faults';
import { readContent } from '../support/redis-content';
import { CREDIT, pricedCatalog, TO_CLOSE, type Chaos } from './chaos';
import type { Quantities } from './usage';

interface Invoice {
  readonly id: string;
  readonly number: string;
  readonly project: string;
  readonly kind?: string;
  readonly issuedAt: string;
  readonly total: string;
}

/**
 * Everything that can be seen in the end, against what Kafka acknowledged. @returns a line for
 * every difference
 */
export async function judgeSeed(chaos: Chaos, { prefix, env }: Installation): Promise<string[]> {
  const servers = { KAFKA_BROKERS: env['KAFKA_BROKERS']!, REDIS_URL: env['REDIS_URL']! };
  const content = await readContent(servers.REDIS_URL, prefix);
  const client = openKafka({ brokers: [servers.KAFKA_BROKERS], clientId: 'judge' });
  try {
    const differences = [
      ...compare('usage of month', byUsageMonth(content.totals), named(chaos.acknowledged.months())),
      ...compare('usage of day', byUsageDay(content.daily), named(chaos.acknowledged.days())),
      // By the log: where late usage lies, dead letters, and cursors.
      ...(await judge(servers, prefix)).differences,
    ];

    const issued = new Map<string, string>();
    await readTopic(client, `${prefix}.billing.invoices`, (id, json) => {
      const before = issued.get(id);
      if (before !== undefined && before !== json)
        differences.push(`invoice ${id} changed: ${before} -> ${json}`);
      issued.set(id, json ?? '');
    });
    const invoices = [...issued.values()].map((json) => JSON.parse(json) as Invoice);
    differences.push(
      ...numberProblems(invoices),
      ...compare('sum of invoices of', sums(invoices), due(chaos)),
      ...compare('shown invoice', await shownInvoices(chaos, prefix), issued),
    );

    const closed = new Set<string>();
    await readTopic(client, `${prefix}.billing.closes`, (key) => {
      // Its other keys are no months.
      if (/^\d{4}-\d\d$/.test(key)) closed.add(key);
    });
    const months = [...closed].sort().join(' ');
    if (months !== TO_CLOSE.join(' '))
      differences.push(`closed are ${months}, must be ${TO_CLOSE.join(' ')}`);

    const documents = new Map<string, string>();
    await readTopic(client, `${prefix}.billing.projects`, (id, json) => void documents.set(id, json ?? '{}'));
    differences.push(...projectProblems(chaos, documents));
    return differences;
  } finally {
    await client.close();
  }
}

/**
 * Each series of a project without a gap, without a number given twice, and in the order of the
 * dates.
 */
function numberProblems(invoices: readonly Invoice[]): string[] {
  const series = new Map<string, Invoice[]>();
  for (const invoice of invoices) {
    const name = `${invoice.project}${invoice.kind === 'credit_note' ? '-CN' : '-'}`;
    series.set(name, [...(series.get(name) ?? []), invoice]);
  }
  const problems: string[] = [];
  for (const [name, ofSeries] of series) {
    const numbers = ofSeries.map(({ number }) => number).sort();
    const must = numbers.map((_, at) => `${name}${String(at + 1).padStart(4, '0')}`);
    if (numbers.join() !== must.join()) {
      const found = ofSeries.map(({ id, number }) => `${id} is ${number}`).join(', ');
      problems.push(`numbers of ${name}: ${found}`);
    }
  }
  return problems;
}

function sums(invoices: readonly Invoice[]): Map<string, bigint> {
  const found = new Map<string, bigint>();
  for (const { project, total } of invoices) {
    found.set(project, (found.get(project) ?? 0n) + cents(total));
  }
  return new Map([...found].filter(([, sum]) => sum !== 0n));
}

/** The price of each month's whole usage, whenever it came. */
function due(chaos: Chaos): Map<string, bigint> {
  const prices: PriceList = pricedCatalog();
  const usage = chaos.acknowledged.months();
  const sums = new Map<string, bigint>();
  for (const [project, { plans }] of chaos.projects) {
    let sum = project === CREDIT.project ? -CREDIT.cents : 0n;
    for (const month of TO_CLOSE) {
      const totals = new Map<string, bigint>();
      for (const [name, quantity] of usage.get(project) ?? []) {
        if (name.startsWith(month)) totals.set(name.slice(8), quantity);
      }
      const [, plan] = [...plans].sort().findLast(([from]) => from <= `${month}-01`) ?? [];
      sum += centsDue(prices, plan, month, new Map([[month, totals]]));
    }
    if (sum !== 0n) sums.set(project, sum);
  }
  return sums;
}

function projectProblems(chaos: Chaos, documents: ReadonlyMap<string, string>): string[] {
  const found = new Map<string, string>();
  const must = new Map<string, string>();
  for (const [project, { plans, name }] of chaos.projects) {
    if (plans.size === 0) continue;
    must.set(project, JSON.stringify([[...plans].sort(), name]));
    const document = JSON.parse(documents.get(project) ?? '{"plans":[]}') as {
      plans: { plan: string; from: string }[];
      profile?: { name?: string };
    };
    const rows = document.plans.map(({ from, plan }) => [from, plan]);
    found.set(project, JSON.stringify([rows.sort(), document.profile?.name]));
  }
  return compare('plans of', found, must);
}

async function shownInvoices(chaos: Chaos, prefix: string): Promise<Map<string, string>> {
  const shown = new Map<string, string>();
  await onRedis(chaos.world.redis, async (redis) => {
    for (const key of await redis.keys(`${prefix}:billing:invoices:*`)) {
      for (const json of Object.values(await redis.hgetall(key)))
        shown.set((JSON.parse(json) as Invoice).id, json);
    }
  });
  return shown;
}

/** `<project> <bill month> <meter or month@meter>` -> `<project> <month of the usage> <meter>` */
function byUsageMonth(totals: ReadonlyMap<string, bigint>): Map<string, bigint> {
  return regroup(totals, (bill, name) =>
    /^\d{4}-\d\d@/.test(name) ? name.replace('@', ' ') : `${bill} ${name}`,
  );
}

function byUsageDay(daily: ReadonlyMap<string, bigint>): Map<string, bigint> {
  return regroup(daily, (_, name) => name.replace('/', ' '));
}

function regroup(
  sums: ReadonlyMap<string, bigint>,
  rename: (bill: string, name: string) => string,
): Map<string, bigint> {
  const grouped = new Map<string, bigint>();
  for (const [key, quantity] of sums) {
    const [, project = '', bill = '', name = ''] = /^(\S+) (\S+) (.*)$/s.exec(key) ?? [];
    const group = `${project} ${rename(bill, name)}`;
    grouped.set(group, (grouped.get(group) ?? 0n) + quantity);
  }
  return new Map([...grouped].filter(([, quantity]) => quantity !== 0n));
}

function named(quantities: Quantities): Map<string, bigint> {
  return new Map(
    [...quantities].flatMap(([project, names]) =>
      [...names].map(([name, quantity]): [string, bigint] => [`${project} ${name}`, quantity]),
    ),
  );
}

function cents(amount: string): bigint {
  const [, sign, whole, part] = /^(-?)(\d+)\.(\d\d)$/.exec(amount) ?? [];
  return BigInt(`${sign}${whole}${part}`);
}
