import type { UsageConsumer } from '../../consumers/usage-consumer';
import { rateMessage } from '../../consumers/decode/rate-message';
import { checkCursors, type CheckedCursors } from './guards/check-cursors';
import { watchLayout } from '../installation/layout';
import { checkCountingSettings } from '../installation/recorded-settings';
import { restoreCloses } from '../installation/ledgers/restore-closes';
import { waitForCursors } from './wait-for-cursors';
import { watchCloses, type ClosesWatch } from './guards/watch-closes';
import { createProgress } from '../lib/progress';
import { roundingTable } from '../rating/rounding';
import { createDeadLetters } from '../dead-letters/dead-letter';
import { createPublisher, type Publisher } from '../kafka/producer';
import { createTopicConsumer, type TopicConsumer, type TopicConsumerStatus } from './consumer';
import { assignedPartitions } from '../kafka/checks/check-groups';
import { openTransactions } from '../kafka/topics/open-transactions';
import { stableEnds, topicName } from '../kafka/topics/topics';
import { checkRebuilt } from '../redis/rebuilding';
import type { Store } from '../redis/store';
import { createConsumerMetrics, type ConsumerMetrics } from './health/consumer-metrics';
import { serveProbes, type HealthServer } from '../lib/health-server';
import { createTotals } from './count-chunk';
import { watchLog } from './health/log-position';
import type { Context } from '../installation/context';
import { deferred } from '../lib/process/deferred';
import { signalled, type StopSignal } from '../lib/process/stop-signal';
import { createStopDeadline, type StopDeadline } from './guards/stop-deadline';
import { logProgress, type ProgressLog } from './health/log-progress';
import { watchHealth, type HealthWatch } from './health/watch-health';

/*
 * The way of one event, in reading order (a test holds the names to the code). `runConsumers`
 * below connects the parts, with one consumer per usage topic.
 *
 *  1. src/kafka/wire/fetch-response.ts      decodeFetchResponse  cuts Kafka's answer into batches
 *  2. src/ingest/consumer.ts                onBatch              takes a batch from kafkajs
 *  3. src/ingest/partitions.ts              process              holds it against the cursor
 *  4. src/ingest/resume-offset.ts           decide               which offset to go on from
 *  5. src/ingest/apply-range.ts             applyRange           cuts the batch into chunks
 *  6. src/kafka/wire/record-batch.ts        decodeRecordBatch    bytes -> records
 *  7. consumers/decode/rate-message.ts      rateMessage          record -> rated event or rejection
 *  8. consumers/decode/decode-event.ts      decodeEvent          the rules, in the contract's order
 *  9. src/rating/rate.ts                    rate                 usage -> billable quantities
 * 10. src/ingest/count-chunk.ts             countChunk           handles every answer of Redis
 * 11. src/redis/apply/apply-chunk.ts        apply                one Lua call, or one per void
 * 12. src/redis/apply/pack-chunk.ts         packChunk            leaves out duplicates, adds up
 * 13. src/redis/lua/apply.lua               applyChunk           totals, ids and cursor in one step
 *
 * The ids that 12 compares with are in src/redis/apply/dedup-index.ts. A rejected event goes from 5
 * to src/dead-letters. Around the way: guards/ stop what must not be counted, health/ reports,
 * commit-hints.ts shows the lag to Kafka's own tools.
 */

export interface ConsumeOptions {
  readonly consumers: readonly UsageConsumer[];
  /**
   * Ends when everything published before the start is applied. Otherwise it runs until it is
   * stopped.
   */
  readonly untilCaughtUp: boolean;
  /** The label of the progress. Only a rebuild may run on a Redis that is not filled yet. */
  readonly purpose?: 'consume' | 'rebuild';
}

/**
 * `--until-caught-up` gives up after this long without progress. Joining a group takes up to half
 * of it.
 */
const STALL_LIMIT_MS = 60_000;

/**
 * Runs one topic consumer per topic until a signal, the end of the backlog, or a fatal error.
 *
 * A fatal error rejects. The process must end then, and its supervisor must restart it: a consumer
 * that stays after its last fetch looks healthy from outside while usage piles up.
 *
 * @returns `interrupted` if a signal came before the end of the backlog
 */
export async function runConsumers(
  context: Context,
  options: ConsumeOptions,
): Promise<'done' | 'interrupted'> {
  const { config, logger } = context;
  const { purpose, untilCaughtUp } = options;
  const store = await context.store();
  const checked = await checkStart(context, options);
  const publisher = await createPublisher(context.kafka());
  const { stopSignal, deadline } = watchForStop(context, store);
  const fatal = deferred<never>();
  const parts = compose(context, { ...options, ...checked, store, publisher, onFatal: fatal.reject });
  const { topicConsumers, health, registry } = parts;
  let probes: HealthServer | undefined;
  try {
    probes = await serveProbes(config.health, health, registry, logger);
    const ended = Promise.race([stopSignal.promise, fatal.promise]);
    await Promise.race([Promise.all(topicConsumers.map((one) => one.start())), ended]);
    const { layout, ends } = checked;
    const caught = untilCaughtUp && caughtUp(context, layout.shards, ends, stopSignal, purpose);
    await Promise.race([ended, ...(caught ? [caught] : [])]);
    return untilCaughtUp && stopSignal.stopped() ? 'interrupted' : 'done';
  } catch (error) {
    deadline.begin();
    throw error;
  } finally {
    parts.stopWatching();
    await deadline.during('the health server', probes?.close() ?? Promise.resolve());
    // Before their publisher is closed, so that no dead letter is produced after it is gone.
    await Promise.allSettled(
      topicConsumers.map((one) => one.stop((what, wait) => deadline.during(what, wait))),
    );
    parts.progressLog.stop();
    await deadline.during('the publisher', Promise.allSettled([publisher.close()]));
    stopSignal.dispose();
  }
}

interface Start extends CheckedCursors {
  /** Full names, in the order of the consumers. */
  readonly topics: readonly string[];
  readonly closes: ClosesWatch;
}

/** Refuses a start that would count wrongly, and restores what Redis lacks of the closed months. */
async function checkStart(context: Context, { consumers, purpose }: ConsumeOptions): Promise<Start> {
  const { prefix } = context.config;
  const kafka = context.kafka();
  const store = await context.store();
  const topics = consumers.map((consumer) => topicName(prefix, consumer.topic));
  const record = await checkCountingSettings(kafka, context.config);
  if (purpose !== 'rebuild') await checkRebuilt(store);
  const checked = await checkCursors(kafka, store, prefix, topics, record);
  return { topics, ...checked, closes: await followCloses(context) };
}

interface Wiring extends Start, ConsumeOptions {
  readonly store: Store;
  readonly publisher: Publisher;
  readonly onFatal: (error: unknown) => void;
}

interface Parts extends Pick<HealthWatch, 'health'>, Pick<ConsumerMetrics, 'registry'> {
  readonly topicConsumers: readonly TopicConsumer[];
  readonly progressLog: ProgressLog;
  stopWatching(): void;
}

/** Connects the topic consumers with what counts, watches and reports, and starts none of them. */
function compose({ config, logger, calendar, kafka: client }: Context, wiring: Wiring): Parts {
  const { consumers, topics, topicIds, closes, store, publisher, onFatal } = wiring;
  const kafka = client();
  const statuses = (): TopicConsumerStatus[] => topicConsumers.map((one) => one.status());
  const metrics = createConsumerMetrics(
    statuses,
    () => watch.health(),
    () => logWatch.position(),
    () => Date.now(),
  );
  const rating = { rounding: roundingTable(config.rounding), calendar, limits: config.limits };
  const deadLetters = createDeadLetters(publisher, config.prefix);
  const layout = watchLayout(kafka, config.prefix, wiring.layout);
  const totals = createTotals(store, layout, closes, metrics.observeApply);
  const groupIds = consumers.map(({ name }) => groupOf(config.prefix, name));
  const topicConsumers = consumers.map((consumer, index) =>
    createTopicConsumer({
      ...{ client: kafka, topic: topics[index]!, topicId: topicIds.get(topics[index]!) },
      ...{ layout, totals, deadLetters, metrics, logger, onFatal },
      groupId: groupIds[index]!,
      rate: (message) => rateMessage(consumer, message, rating),
    }),
  );

  const readers = (): ReturnType<typeof assignedPartitions> => assignedPartitions(kafka, groupIds);
  const logWatch = watchLog({ kafka, store, topics, readers }, logger);
  const watch = watchHealth({
    logWatch,
    ping: () => store.redis.ping(),
    stuckAfterMs: config.health.stuckAfterMs,
    ...{ statuses, logger, onFatal },
  });
  const progressLog = logProgress({
    ...{ logger, statuses },
    position: () => logWatch.position(),
    deadLetters: () => metrics.deadLettersByReason(),
  });
  const stopWatching = (): void => {
    watch.stop();
    logWatch.stop();
  };
  return {
    topicConsumers,
    health: () => watch.health(),
    registry: metrics.registry,
    progressLog,
    stopWatching,
  };
}

function watchForStop(
  { logger, kafka }: Context,
  store: Store,
): { stopSignal: StopSignal; deadline: StopDeadline } {
  const stopSignal = signalled();
  const deadline = createStopDeadline(logger, () => {
    store.cut();
    void kafka().close();
  });
  void stopSignal.promise.then(() => deadline.begin());
  return { stopSignal, deadline };
}

/** Restores what Redis lacks, then follows the ledger of closes. */
async function followCloses({ config, logger, kafka, store }: Context): Promise<ClosesWatch> {
  const redis = await store();
  const topic = topicName(config.prefix, 'billing.closes');
  const watch = watchCloses({
    async ledgerEnd() {
      const ends = (await stableEnds(kafka(), [topic])).get(topic) ?? [];
      return ends.reduce((sum, end) => sum + end, 0);
    },
    restore: async () => [...(await restoreCloses(kafka(), redis, config.prefix, logger)).keys()],
  });
  await watch.latest();
  return watch;
}

export const groupOf = (prefix: string, consumerName: string): string =>
  topicName(prefix, `tallyman.${consumerName}`);

async function caughtUp(
  { config, logger, kafka, store }: Context,
  shardCount: number,
  ends: ReadonlyMap<string, readonly number[]>,
  stopSignal: StopSignal,
  purpose = 'consume',
): Promise<void> {
  const progress = createProgress(purpose);
  await waitForCursors(await store(), {
    shardCount,
    ends,
    progress,
    stallMs: Math.max(STALL_LIMIT_MS, config.health.stuckAfterMs),
    // If Kafka is away, this wait continues as the consumers do. They end on their own if it stays
    // away.
    findOpen: () =>
      openTransactions(kafka(), [...ends.keys()]).catch((error: unknown) => {
        logger.debug({ err: error }, 'could not list open transactions');
        return undefined;
      }),
    isStopped: () => stopSignal.stopped(),
  });
  progress.end();
}
