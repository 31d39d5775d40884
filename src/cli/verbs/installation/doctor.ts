import { Command } from 'commander';
import { usageConsumers } from '../../../../consumers';
import { checkCloses } from '../../../installation/ledgers/check-closes';
import { countingSettings, readCountingRecord, settingsThatDiffer } from '../../../installation/settings';
import { DELETED_REMEDY, deletedTopics } from '../../../installation/used-topics';
import { EMPTIED_PROBLEM, isRedisEmptied } from '../../../installation/redis-emptied';
import type { Finding } from '../../../lib/finding';
import { brokerClockSkew } from '../../../kafka/checks/broker-time';
import { checkGroups } from '../../../kafka/checks/check-groups';
import { checkTopics } from '../../../kafka/checks/check-topics';
import { checkCursor } from '../../../ingest/offset-chain';
import {
  abortCommand,
  describeOpenTransaction,
  openTransactions,
} from '../../../kafka/topics/open-transactions';
import { topicReplaced } from '../../../ingest/stop-errors';
import { logRanges, missingTopics, topicName, usageTopics } from '../../../kafka/topics/topics';
import { checkRedis } from '../../../redis/checks/check-redis';
import { findTornShards, REBUILD_REMEDY } from '../../../redis/checks/find-double-counts';
import { readCursors } from '../../../redis/cursors';
import { isRebuilding } from '../../../redis/rebuilding';
import type { Store } from '../../../redis/store';
import { readTopicIds } from '../../../redis/topic-ids';
import { withContext, type Context } from '../../../installation/context';
import { printJson, printLine, toned } from '../../lib/output';
import { groupOf } from '../../../ingest/run-consumers';

const CLOCK_SKEW_MAX_MS = 60_000;
/** Kafka aborts transactions that are older, unless its producers may ask for more (`transaction.max.timeout.ms`). */
const TRANSACTION_MAX_MS = 900_000;
/** A partition that is behind and whose cursor does not move for so long is called stuck. */
const STUCK_AFTER_MS = 3_000;

export function verb(): Command {
  return new Command('doctor')
    .description('Check the settings that exactness needs. Exit code 1 if something is wrong.')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman doctor
  tallyman doctor --json | jq '.findings[].remedy'`,
    )
    .action(async (options: { json?: true }) => {
      const findings = await withContext(examine, { onlyReads: true });
      if (options.json) printJson({ findings });
      else printFindings(findings);
      if (findings.some(({ level }) => level === 'error')) process.exitCode = 1;
    });
}

async function examine(context: Context): Promise<Finding[]> {
  const { config, kafka } = context;
  const { prefix } = config;
  const store = await context.store();
  const redis = await checkRedis(store);
  const missing = await missingTopics(kafka(), prefix);
  // What follows asks the topics, and must find them.
  if (missing.length > 0) return [...redis, ...(await missingFindings(context, store, missing))];
  const topics = await checkTopics(kafka(), prefix);
  // What is missing in Redis follows from that, and would only hide it.
  if (redis.some(({ code }) => code === 'REDIS_EVICTED')) return [...redis, ...topics];
  if (await isRedisEmptied(kafka(), store, prefix)) {
    const found = { code: 'REDIS_EMPTIED', problem: EMPTIED_PROBLEM, remedy: 'tallyman rebuild' };
    return [...redis, ...topics, { level: 'error', subject: 'Redis', ...found }];
  }
  return [
    ...redis,
    ...topics,
    ...(await checkBrokerClock(context)),
    ...(await checkSettings(context)),
    ...(await checkFilled(store)),
    ...(await checkTorn(context)),
    ...(await checkCursors(context)),
    ...(await checkTransactions(context)),
    ...(await checkGroups(
      kafka(),
      usageConsumers.map(({ name }) => groupOf(prefix, name)),
    )),
  ];
}

async function missingFindings(
  { config, kafka }: Context,
  store: Store,
  missing: readonly string[],
): Promise<Finding[]> {
  const deleted = new Set(await deletedTopics(kafka(), store, config.prefix, missing));
  return missing.map((subject) => ({
    level: 'error',
    subject,
    ...(deleted.has(subject)
      ? { problem: 'the topic is missing, and this installation has used it', remedy: DELETED_REMEDY }
      : { problem: 'the topic is missing: what is published to it goes nowhere', remedy: 'tallyman init' }),
  }));
}

async function checkBrokerClock({ config, kafka }: Context): Promise<Finding[]> {
  const skewMs = await brokerClockSkew(kafka(), config.prefix);
  if (skewMs === undefined || Math.abs(skewMs) <= CLOCK_SKEW_MAX_MS) return [];
  return [
    {
      level: 'warning',
      subject: 'Kafka',
      problem: `the clock of a broker and this machine's differ by ${Math.round(Math.abs(skewMs) / 1000)} s`,
      remedy: 'set the clocks by NTP: retention goes by the brokers, the close by this one',
    },
  ];
}

/** The settings that were recorded, and this environment's. */
async function checkSettings({ config, kafka }: Context): Promise<Finding[]> {
  const { settings } = await readCountingRecord(kafka(), config.prefix);
  if (settings === undefined) {
    return [
      {
        level: 'warning',
        subject: 'settings',
        problem: 'zone, rounding and limits are not recorded: a consumer with others would not be refused',
        remedy: 'tallyman init (it changes nothing else)',
      },
    ];
  }
  return settingsThatDiffer(settings, countingSettings(config)).map((problem) => ({
    level: 'error',
    subject: 'settings',
    problem: `${problem}: consumers with this environment refuse to start`,
    remedy: 'set the environment back',
  }));
}

async function checkFilled(store: Store): Promise<Finding[]> {
  if (!(await isRebuilding(store))) return [];
  return [
    {
      level: 'error',
      subject: 'Redis',
      problem: 'a rebuild has not come to its end: totals are missing',
      remedy: 'tallyman rebuild',
    },
  ];
}

async function checkTorn({ kafka, config, store }: Context): Promise<Finding[]> {
  const topics = usageConsumers.map(({ topic }) => topicName(config.prefix, topic));
  const partitions = [...(await logRanges(kafka(), topics)).values()].map(({ length }) => length);
  const torn = await findTornShards(await store(), Math.max(...partitions));
  return torn.map(({ shard, problem }) => ({
    level: 'error',
    code: 'SHARD_TORN',
    subject: `shard ${shard}`,
    problem: `it was written in part: ${problem}`,
    remedy: REBUILD_REMEDY,
  }));
}

async function checkCursors(context: Context): Promise<Finding[]> {
  const { prefix } = context.config;
  const store = await context.store();
  const topics = usageConsumers.map(({ topic }) => topicName(prefix, topic));
  const ranges = await logRanges(context.kafka(), topics);
  const findings: Finding[] = await checkTopicIds(context, store, topics);
  const behind: { topic: string; partition: number; cursor: number; end: number }[] = [];
  for (const [topic, partitions] of ranges) {
    for (const [partition, range] of partitions.entries()) {
      const subject = `${topic}/${partition}`;
      const cursor = (await readCursors(store, partition)).get(topic);
      if (cursor === undefined) {
        const problem = 'Redis holds no cursor: its events are not counted';
        findings.push({
          level: 'error',
          subject,
          problem,
          remedy: 'a first start, or a new partition: tallyman init; if Redis was emptied: tallyman rebuild',
        });
        continue;
      }
      const stop = checkCursor(cursor, range);
      if (stop) {
        const key = store.keys.shard(partition).cursor;
        const offset = cursor < range.start ? range.start : range.end;
        findings.push({
          ...{ level: 'error', subject, problem: stop.message },
          remedy: `restore Kafka's data; or stop the consumers and accept the loss: redis-cli HSET '${key}' ${topic} ${offset}`,
        });
      } else if (cursor < range.end) behind.push({ topic, partition, cursor, end: range.end });
    }
  }
  // Only where there are cursors, Redis can be compared with the ledger.
  if (findings.length === 0) {
    const shardCount = Math.max(...[...ranges.values()].map((partitions) => partitions.length));
    const installation = { client: context.kafka(), store, prefix, calendar: context.calendar, shardCount };
    findings.push(...(await checkCloses({ ...installation, nowMs: Date.now() })));
  }
  if (behind.length > 0) await new Promise((resolve) => setTimeout(resolve, STUCK_AFTER_MS));
  for (const { topic, partition, cursor, end } of behind) {
    if ((await readCursors(store, partition)).get(topic) !== cursor) continue;
    findings.push({
      level: 'warning',
      subject: `${topic}/${partition}`,
      problem: `${end - cursor} events wait, and the cursor stands at ${cursor}`,
      remedy: 'start the consumers (tallyman consume), or look at their logs',
    });
  }
  return findings;
}

/** What is committed behind an open transaction cannot be read by anybody, and no close goes past it. */
async function checkTransactions({ config: { prefix }, kafka }: Context): Promise<Finding[]> {
  const open = await openTransactions(kafka(), usageTopics(prefix));
  return open.map((transaction) => ({
    level: Date.now() - (transaction.sinceMs ?? Date.now()) > TRANSACTION_MAX_MS ? 'error' : 'warning',
    subject: `${transaction.topic}/${transaction.partition}`,
    problem: describeOpenTransaction(transaction),
    remedy: `let its producer commit or abort it; if that is gone: ${abortCommand(transaction)}`,
  }));
}

async function checkTopicIds(context: Context, store: Store, topics: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  const noted = await readTopicIds(store);
  for (const topic of topics) {
    const id = await context.kafka().topicId(topic);
    const expected = noted.get(topic);
    if (id === undefined) {
      findings.push({
        level: 'warning',
        subject: topic,
        problem: 'Kafka gives it no id: if it is deleted and made anew, nobody may notice',
        remedy: 'Kafka 2.8 or later',
      });
    } else if (expected === undefined) {
      const problem = 'Redis does not say which topic its cursors belong to: consumers refuse to start';
      findings.push({ level: 'error', subject: topic, problem, remedy: 'tallyman init' });
    } else if (id !== expected) {
      const { message } = topicReplaced(topic, expected, id);
      const remedy =
        `let KAFKA_BROKERS name the right Kafka; if it is a true copy: redis-cli HDEL ${store.keys.topicIds} ${topic}, ` +
        'then tallyman init';
      findings.push({ level: 'error', subject: topic, problem: message, remedy });
    }
  }
  return findings;
}

function printFindings(findings: readonly Finding[]): void {
  if (findings.length === 0) {
    printLine('All is well.');
    return;
  }
  for (const { level, subject, problem, remedy } of findings) {
    const mark = level === 'error' ? toned('bad', 'ERROR  ') : toned('careful', 'warning');
    printLine(`${mark}  ${subject}: ${problem}`);
    printLine(`         -> ${remedy}`);
  }
}
