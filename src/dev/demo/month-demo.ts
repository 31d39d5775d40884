import { groupDigits, printLine } from '../../cli/lib/output';
import { openKafka } from '../../kafka/client';
import { createPublisher, type Publisher } from '../../kafka/producer';
import { topicName } from '../../kafka/topics/topics';
import { readConfig } from '../../lib/config';
import { createLogger } from '../../lib/logger';
import { pause } from '../../lib/process/poller';
import { createProgress } from '../../lib/progress';
import { createRandom, zipf } from '../../oracle/random';
import { draftEvent } from '../../oracle/usage-draft';
import { createOracle, type Oracle } from '../../oracle/usage-oracle';
import { createWorkload, takeByTopic, type WorkloadRecord } from '../../oracle/workload';
import { writeRecord } from '../../oracle/write-record';
import { monthOf, previousMonth } from '../../rating/month';
import { openStore } from '../../redis/store';
import type { Services } from '../services/services';
import {
  agreeWithOracle,
  demoEnvironment,
  heading,
  importProjects,
  readAllTotals,
  runCli,
  type Tallyman,
} from './demo-steps';
import { showPage } from './serve-demo';

/**
 * The main job, end to end: a month of usage through a real Kafka and a real Redis, closed and
 * invoiced with the command line that operators use. Oracles that share no code with it recount
 * every number from the input.
 */

const SEED = 20_261;
const EVENTS = 240_000;
const BATCH_RECORDS = 5_000;
/** For the page: the current month so far at once, then some events every second. */
const EVENTS_SO_FAR = 20_000;
const EVENTS_EACH_SECOND = 25;
const TRICKLE_SEED = 20_262;
const TOPICS = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'] as const;
const PLAN_OF_RANK = ['scale', 'scale', 'ship', 'scale', 'ship', 'ship', 'build', 'ship'] as const;
const PROJECTS = [
  'acme-voice', 'northwind-support', 'globex-telehealth', 'initech-meetings', 'umbrella-care', 'stark-drones',
  'hooli-live', 'wayne-security', 'tyrell-agents', 'cyberdyne-lab', 'soylent-orders', 'wonka-events',
  'oscorp-radio', 'vandelay-imports', 'dunder-sales', 'pied-piper', 'gringotts-desk', 'monsters-call',
  'sirius-cast', 'black-mesa', 'aperture-demo', 'massive-tutor', 'nakatomi-tower', 'rekall-memory',
]; // prettier-ignore

export async function demonstrateMonths(services: Services, folder: string, serves: boolean): Promise<void> {
  // The last whole month, because Kafka would remove records that are older than the topics'
  // retention.
  const month = previousMonth(monthOf(new Date().toISOString()));
  const earlier = previousMonth(month);
  const env = demoEnvironment(services);
  const tallyman: Tallyman = (...words) => runCli(env, words);
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
    await importProjects(tallyman, folder, projects);

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

    heading('Totals, as operators read them');
    await tallyman('totals', PROJECTS[0]!, '--month', month);
    const totals = await readAllTotals(store, PROJECTS, [earlier, month]);
    printLine(`  ... and ${Object.keys(totals).length} totals of ${PROJECTS.length} projects in all.`);
    heading(`Close ${month}`);
    await tallyman('close', month, '--grace', '0s');

    heading('Invoices');
    await tallyman('invoices', 'list');

    heading('The oracle recounts the input');
    const { records, counted, duplicates, voided } = oracle.counts;
    const [all, ...kinds] = [records, counted, duplicates, voided].map((count) => groupDigits(count));
    printLine(`  ${all} records: ${kinds[0]} counted, ${kinds[1]} duplicates, ${kinds[2]} taken back`);
    await agreeWithOracle(oracle, totals, projects, [earlier, month], tallyman);

    await showPage(serves, [], {
      ...{ env, projects: PROJECTS.slice(0, 3) },
      goesOn: (isStopped) => trickle(publisher, config.prefix, isStopped),
    });
  } finally {
    await publisher.close();
    await client.close();
    await store.close();
  }
}

/**
 * Publishes the next records in batches by topic. The oracle relies on the order within each topic.
 */
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
  progress.end(`${groupDigits(count)} records, ${rate(count, startedAt)}`);
}

async function timed(count: number, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  printLine(`  consumed and applied, ${rate(count, startedAt)}, including the start of the process`);
}

function rate(count: number, startedAt: number): string {
  return `${groupDigits(Math.round((count * 1000) / Math.max(1, performance.now() - startedAt)))}/s`;
}

/** Publishes a workload of this month up to now, then some events every second. */
async function trickle(publisher: Publisher, prefix: string, isStopped: () => boolean): Promise<void> {
  const month = monthOf(new Date().toISOString());
  const [startMs, endMs] = [0, 1].map((more) =>
    Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)) - 1 + more),
  );
  // A workload advances evenly through its month, so the share of its events equals the share of
  // the month that is over.
  const events = Math.ceil((EVENTS_SO_FAR * (endMs! - startMs!)) / (Date.now() - startMs!));
  const soFar = createWorkload({ seed: TRICKLE_SEED, month, events, projects: PROJECTS, monthBefore: 0 });
  for (const [topic, records] of takeByTopic(soFar, EVENTS_SO_FAR)) {
    await publisher.publish(topicName(prefix, topic), records);
  }
  const random = createRandom(TRICKLE_SEED);
  const pickProject = zipf(random, PROJECTS);
  for (let number = 0; !isStopped();) {
    for (let i = 0; i < EVENTS_EACH_SECOND; i += 1, number += 1) {
      const nowMs = Date.now();
      const draft = draftEvent(random, random.pick(TOPICS), `live-${number}`, pickProject(), nowMs);
      await publisher.publish(topicName(prefix, draft.topic), [writeRecord(random, draft, nowMs)]);
    }
    await pause(1_000);
  }
}
