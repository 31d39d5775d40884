import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Invoice } from '../billing/invoice/invoice';
import { loadCatalog } from '../installation/catalog-file';
import { readConfig } from '../lib/config';
import { groupDigits, printLine } from '../cli/lib/output';
import { startServices, type Services } from './services/services';
import { createLogger } from '../lib/logger';
import { createProgress } from '../lib/progress';
import { openKafka } from '../kafka/client';
import { createPublisher } from '../kafka/producer';
import { topicName } from '../kafka/topics/topics';
import { readTotals } from '../redis/usage/read-usage';
import { openStore, type Store } from '../redis/store';
import { centsDue, type PriceList } from '../oracle/invoice-oracle';
import { createOracle, type Oracle } from '../oracle/usage-oracle';
import { serveDemo } from './serve-demo';
import { createWorkload, takeByTopic, type WorkloadRecord } from '../oracle/workload';
import { monthOf, previousMonth } from '../rating/month';

/**
 * The main job, end to end: a month of usage through a real Kafka and a real Redis, closed and invoiced by the command
 * line that ops use, and every number recounted from the input by oracles that share no code with it.
 */

const SEED = 20_261;
const EVENTS = 240_000;
const BATCH_RECORDS = 5_000;
const PLAN_OF_RANK = ['scale', 'scale', 'ship', 'scale', 'ship', 'ship', 'build', 'ship'] as const;
const PROJECTS = [
  'acme-voice', 'northwind-support', 'globex-telehealth', 'initech-meetings', 'umbrella-care', 'stark-drones',
  'hooli-live', 'wayne-security', 'tyrell-agents', 'cyberdyne-lab', 'soylent-orders', 'wonka-events',
  'oscorp-radio', 'vandelay-imports', 'dunder-sales', 'pied-piper', 'gringotts-desk', 'monsters-call',
  'sirius-cast', 'black-mesa', 'aperture-demo', 'massive-tutor', 'nakatomi-tower', 'rekall-memory',
]; // prettier-ignore

const CLI = join(__dirname, '../cli/tallyman.js');

async function demo(): Promise<void> {
  const startedAt = performance.now();
  heading('Kafka and Redis');
  const services = await startServices({ docker: 'compose', log: (line) => printLine(`  ${line}`) });
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-demo-'));
  const setUpAt = performance.now();
  try {
    await run(services, folder);
  } finally {
    await services.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
  printLine();
  printLine(
    `Done in ${seconds(setUpAt, performance.now())} s after ${seconds(startedAt, setUpAt)} s of set-up. Kafka and Redis are stopped.`,
  );
}

async function run(services: Services, folder: string): Promise<void> {
  // The last whole month: Kafka would remove records that are older than the topics keep them.
  const month = previousMonth(monthOf(new Date().toISOString()));
  const earlier = previousMonth(month);
  // A prefix of its own, so that it meets nothing that is there.
  const env = {
    PATH: process.env['PATH'] ?? '',
    KAFKA_BROKERS: services.brokers.join(','),
    REDIS_URL: services.redisUrl,
    TALLYMAN_PREFIX: `demo-${randomBytes(4).toString('hex')}`,
    LOG_LEVEL: 'warn',
  };
  const tallyman = (...words: string[]): Promise<string> => runCli(env, words);
  const config = readConfig(env);
  const client = openKafka(config.kafka, createLogger('silent'));
  const publisher = await createPublisher(client);
  const store = await openStore({ url: config.redisUrl, prefix: config.prefix });

  try {
    heading('Topics, cursors, projects');
    // The workload's records carry the timestamps of a month that is over.
    await tallyman('init', '--timestamps', 'create');
    const projects = PROJECTS.map((project, rank) => ({
      project,
      plans: [{ plan: PLAN_OF_RANK[rank % PLAN_OF_RANK.length]!, from: `${earlier}-01` }],
    }));
    const projectsFile = join(folder, 'projects.ndjson');
    await writeFile(projectsFile, projects.map((project) => JSON.stringify(project)).join('\n'));
    await tallyman('projects', 'import', projectsFile);

    const oracle = createOracle();
    const workload = createWorkload({ seed: SEED, month, events: EVENTS, projects: PROJECTS, voids: 0.002 });
    const publish = (count: number): Promise<void> =>
      publishRecords(workload, count, oracle, (topic, records) =>
        publisher.publish(topicName(config.prefix, topic), records),
      );

    heading(`The first half of ${month}, and the last of ${earlier}`);
    await publish(EVENTS / 2);
    await timed(EVENTS / 2, () => tallyman('consume', '--until-caught-up'));
    heading(`Close ${earlier}`);
    await tallyman('close', earlier, '--grace', '0s');
    oracle.closeMonth(earlier);

    heading(`The second half: usage of ${earlier} is late now`);
    await publish(EVENTS / 2);
    await timed(EVENTS / 2, () => tallyman('consume', '--until-caught-up'));

    heading('Totals, as ops read them');
    await tallyman('totals', PROJECTS[0]!, '--month', month);
    const totals = await readAllTotals(store, [earlier, month]);
    heading(`Close ${month}`);
    await tallyman('close', month, '--grace', '0s');

    heading('Invoices');
    await tallyman('invoices', 'list');
    const { invoices } = JSON.parse(await tallyman('invoices', 'list', '--json')) as {
      invoices: Pick<Invoice, 'id' | 'total'>[];
    };
    const deadLetters = JSON.parse(await tallyman('dead-letters', 'list', '--json')) as {
      byReason: Record<string, number>;
    };

    heading('The oracle recounts the input');
    const { records, counted, duplicates, voided } = oracle.counts;
    printLine(
      `  ${groupDigits(String(records))} records: ${groupDigits(String(counted))} counted, ${groupDigits(String(duplicates))} repeats, ${groupDigits(String(voided))} taken back`,
    );
    agree('totals', totals, oracleTotals(oracle));
    agree('dead letters', deadLetters.byReason, oracle.counts.deadLetters);
    agree('invoices', totalsOfInvoices(invoices), oracleInvoices(oracle, projects, [earlier, month]));

    heading('The billing page');
    if (process.argv.includes('--serve')) {
      await serveDemo({ env, prefix: config.prefix, publisher, projects: PROJECTS });
    } else {
      printLine(
        '  `npm run demo -- --serve` keeps all this up and serves the page, with usage that goes on.',
      );
    }
  } finally {
    await publisher.close();
    await client.close();
    await store.close();
  }
}

/** Publishes the next records in order. Batched by topic; each topic's own order is what the oracle counts by. */
async function publishRecords(
  workload: Iterator<WorkloadRecord>,
  count: number,
  oracle: Oracle,
  send: (topic: string, records: readonly WorkloadRecord[]) => Promise<void>,
): Promise<void> {
  const progress = createProgress('publish');
  const startedAt = performance.now();
  for (let published = 0; published < count; published += BATCH_RECORDS) {
    const batch = takeByTopic(workload, Math.min(BATCH_RECORDS, count - published), (record) =>
      oracle.add(record),
    );
    for (const [topic, records] of batch) await send(topic, records);
    progress.update(Math.min(count, published + BATCH_RECORDS), count);
  }
  progress.end(`${groupDigits(String(count))} records, ${rate(count, startedAt)}`);
}

async function timed(count: number, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  printLine(`  consumed and applied, ${rate(count, startedAt)}, the start of the process included`);
}

/** Runs the command line as a process of its own, as ops do. Its stdout is the answer; its stderr is shown. */
function runCli(env: NodeJS.ProcessEnv, words: readonly string[]): Promise<string> {
  if (!words.includes('--json')) printLine(`  $ tallyman ${words.join(' ')}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...words], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const answer = Buffer.concat(chunks).toString('utf8');
      if (code !== 0) reject(new Error(`tallyman ${words.join(' ')} ended with ${code}`));
      else {
        if (!words.includes('--json')) process.stdout.write(answer.replace(/^(?=.)/gm, '    '));
        resolve(answer);
      }
    });
  });
}

type Totals = Record<string, string>;

async function readAllTotals(store: Store, months: readonly string[]): Promise<Totals> {
  const all: Totals = {};
  for (const project of PROJECTS) {
    for (const month of months) {
      for (const [meter, quantity] of await readTotals(store, project, month)) {
        all[`${project} ${month} ${meter}`] = String(quantity);
      }
    }
  }
  printLine(`  ... and ${Object.keys(all).length} totals of ${PROJECTS.length} projects in all.`);
  return all;
}

function oracleTotals(oracle: Oracle): Totals {
  const all: Totals = {};
  for (const [project, months] of oracle.totals) {
    for (const [month, meters] of months) {
      for (const [meter, quantity] of meters) all[`${project} ${month} ${meter}`] = String(quantity);
    }
  }
  return all;
}

function totalsOfInvoices(invoices: readonly Pick<Invoice, 'id' | 'total'>[]): Totals {
  return Object.fromEntries(invoices.map(({ id, total }) => [id, total]));
}

function oracleInvoices(
  oracle: Oracle,
  projects: readonly { project: string; plans: readonly { plan: string }[] }[],
  months: readonly string[],
): Totals {
  const prices = loadCatalog(undefined).document as unknown as PriceList;
  const due: Totals = {};
  for (const { project, plans } of projects) {
    for (const month of months) {
      const cents = String(
        centsDue(prices, plans[0]?.plan, month, oracle.totals.get(project) ?? new Map()),
      ).padStart(3, '0');
      if (cents !== '000') due[`${project}-${month}`] = `${cents.slice(0, -2)}.${cents.slice(-2)}`;
    }
  }
  return due;
}

/** Compares every number; one that differs fails the demo. */
function agree(what: string, found: Record<string, unknown>, expected: Record<string, unknown>): void {
  const names = [...new Set([...Object.keys(found), ...Object.keys(expected)])];
  const different = names.filter((name) => String(found[name]) !== String(expected[name]));
  if (different.length === 0) {
    printLine(`  oracle agrees: ${what} (${groupDigits(String(names.length))} numbers)`);
    return;
  }
  for (const name of different.slice(0, 20))
    printLine(`  ${name}: found ${String(found[name])}, the oracle says ${String(expected[name])}`);
  throw new Error(`the oracle disagrees on ${different.length} of ${names.length} ${what} (seed ${SEED})`);
}

function rate(count: number, startedAt: number): string {
  return `${groupDigits(String(Math.round((count * 1000) / Math.max(1, performance.now() - startedAt))))}/s`;
}

function heading(text: string): void {
  printLine();
  printLine(`== ${text}`);
}

demo().catch((error: unknown) => {
  process.stderr.write(
    `demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
});
