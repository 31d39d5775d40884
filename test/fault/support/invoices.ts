import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import builtIn from '../../../src/billing/catalog/livekit-cloud.json';
import { centsDue, type PriceList } from '../../../src/oracle/invoice-oracle';
import { openKafka } from '../../../src/kafka/client';
import { readTopic } from '../../kit/kafka/read-topic';
import { keysOf, openRedis } from '../../kit/redis/open-redis';
import type { Installation } from '../../kit/tallyman';
import { compare } from './judge';
import { MONTH_BEFORE, PROJECTS } from './load';
import { recount } from './recount';
import type { World } from './fault-world';

const prices: PriceList = builtIn;
const PLANS = ['ship', 'scale', 'build'] as const;

const SHOWN_CHARACTERS = 40;

const planOf = (project: string): string => PLANS[Math.max(0, PROJECTS.indexOf(project)) % PLANS.length]!;

/** Gives every project of the load a plan. */
export async function setPlans(
  tallyman: Installation,
  projects: readonly string[] = PROJECTS,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-plans-'));
  const file = join(folder, 'projects.ndjson');
  const documents = projects.map((project) => ({
    project,
    plans: [{ plan: planOf(project), from: `${MONTH_BEFORE}-01` }],
  }));
  await writeFile(file, documents.map((document) => JSON.stringify(document)).join('\n'));
  await tallyman.ok('projects', 'import', file);
  await rm(folder, { recursive: true });
}

/**
 * Compares the invoices of closed months, in the ledger and in Redis, with what an oracle makes of
 * the log.
 *
 * @returns a line for every difference
 */
export async function judgeInvoices(
  { direct }: World,
  { prefix }: Installation,
  months: readonly string[],
  projects: readonly string[] = PROJECTS,
): Promise<string[]> {
  const client = openKafka({ brokers: direct.KAFKA_BROKERS.split(','), clientId: 'judge' });
  try {
    const issued = new Map<string, string>();
    const differences: string[] = [];
    await readTopic(client, `${prefix}.billing.invoices`, (id, json) => {
      const before = issued.get(id);
      // However often it was published: an invoice that changes is two invoices.
      if (before !== undefined && before !== json) {
        differences.push(`invoice ${id} changed: ${firstDifference(before, json ?? '')}`);
      }
      issued.set(id, json ?? '');
    });
    const { oracle } = await recount(client, prefix);
    const found = new Map<string, string>();
    const due = new Map<string, string>();
    const numbers = new Map<string, string>();
    const numbersDue = new Map<string, string>();
    for (const [id, json] of issued) {
      const { total, number } = JSON.parse(json) as { total: string; number: string };
      found.set(id, total);
      numbers.set(id, number);
    }
    for (const project of projects) {
      let count = 0;
      for (const month of months) {
        const cents = centsDue(prices, planOf(project), month, oracle.totals.get(project) ?? new Map());
        if (cents === 0n) continue;
        const id = `${project}-${month}`;
        due.set(id, amountOf(cents));
        numbersDue.set(id, `${project}-${String((count += 1)).padStart(4, '0')}`);
      }
    }
    return [
      ...differences,
      ...compare('invoice', found, due),
      ...compare('number of', numbers, numbersDue),
      ...compare('shown invoice', await shownInvoices(direct.REDIS_URL, prefix), issued),
    ];
  } finally {
    await client.close();
  }
}

/** Where two texts part, with a little of what stands there. */
function firstDifference(before: string, after: string): string {
  let at = 0;
  while (at < before.length && before[at] === after[at]) at += 1;
  const around = (text: string): string =>
    text.slice(Math.max(0, at - SHOWN_CHARACTERS), at + SHOWN_CHARACTERS);
  return `...${around(before)}... became ...${around(after)}...`;
}

function amountOf(cents: bigint): string {
  const digits = String(cents).padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

async function shownInvoices(url: string, prefix: string): Promise<Map<string, string>> {
  const shown = new Map<string, string>();
  const redis = openRedis(url);
  try {
    const stem = `${prefix}:billing:invoices:`;
    for (const key of await keysOf(redis, `${stem}*`)) {
      for (const [month, json] of Object.entries(await redis.hgetall(key)))
        shown.set(`${key.slice(stem.length)}-${month}`, json);
    }
    return shown;
  } finally {
    redis.disconnect();
  }
}
