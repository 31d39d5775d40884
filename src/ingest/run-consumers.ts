import type { UsageConsumer } from '../../consumers/usage-consumer';
import { rateMessage } from '../../consumers/decode/rate-message';
import { checkCursors } from './guards/check-cursors';
import { watchLayout } from '../installation/layout';
import { checkCountingSettings } from '../installation/settings';
import { restoreCloses } from '../installation/ledgers/restore-closes';
import { waitForCursors } from './wait-for-cursors';
import { watchCloses, type ClosesWatch } from './guards/watch-closes';
import { createProgress } from '../lib/progress';
import { roundingTable } from '../rating/rounding';
import { createDeadLetters } from '../dead-letters/dead-letter';
import { createPublisher } from '../kafka/producer';
import { createRunner, type Runner, type RunnerStatus } from './consumer';
import { assignedPartitions } from '../kafka/checks/check-groups';
import { openTransactions } from '../kafka/topics/open-transactions';
import { stableEnds, topicName } from '../kafka/topics/topics';
import { checkRebuilt } from '../redis/rebuilding';
import type { Store } from '../redis/store';
import { createConsumerMetrics } from './health/consumer-metrics';
import { serveProbes, type HealthServer } from '../lib/health-server';
import { createTotals } from './totals';
import { watchLog } from './health/log-position';
import type { Context } from '../installation/context';
import { deferred } from '../lib/process/deferred';
import { signalled, type StopSignal } from '../lib/process/stop-signal';
import { createStopDeadline, type StopDeadline } from './guards/stop-deadline';
import { logProgress } from './health/log-progress';
import { watchHealth } from './health/watch-health';

/*
 * The way of one event, in reading order (a test holds the names to the code):
 *
 *  1. src/ingest/run-consumers.ts           runConsumers         one consumer per usage topic
 *  2. src/kafka/wire/fetch-response.ts      decodeFetchResponse  cuts Kafka's answer into batches
 *  3. src/ingest/consumer.ts                onBatch              takes a batch from kafkajs
 *  4. src/ingest/partitions.ts              process              holds it against the cursor
 *  5. src/ingest/resume-offset.ts           decide               which offset to go on from
 *  6. src/ingest/apply-range.ts             applyRange           cuts the batch into chunks
 *  7. src/kafka/wire/record-batch.ts        decodeRecordBatch    bytes -> records
 *  8. consumers/decode/rate-message.ts      rateMessage          record -> rated event or rejection
 *  9. consumers/decode/decode-event.ts      decodeEvent          the rules, in the contract's order
 * 10. src/rating/rate.ts                    rate                 usage -> billable quantities
 * 11. src/ingest/totals.ts                  createTotals         adds the latest closed month
 * 12. src/redis/apply/apply-chunk.ts        apply                one Lua call, or one per void
 * 13. src/redis/apply/dedup-index.ts        isDuplicate          was it counted before?
 * 14. src/redis/apply/pack-chunk.ts         packChunk            adds up what is new
 * 15. src/redis/lua/apply.lua               applyChunk           totals, ids and cursor in one step
 *
 * A rejected event goes from 6 to src/dead-letters. Around the way: guards/ stop what must not be
 * counted, health/ reports, commit-hints.ts shows the lag to Kafka's own tools.
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
 * Runs one runner per topic until a signal, the end of the backlog, or a fatal error.
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
  const { config, logger, calendar } = context;
  const kafka = context.kafka();
  const store = await context.store();
  const topics = options.consumers.map((consumer) => topicName(config.prefix, consumer.topic));

  await checkCountingSettings(kafka, config);
  if (options.purpose !== 'rebuild') await checkRebuilt(store);
  const { layout, ends, topicIds } = await checkCursors(kafka, store, config.prefix, topics);
  const closes = await watchLedger(context);

  const publisher = await createPublisher(kafka);
  const { stopSignal, deadline } = watchForStop(context, store);
  const fatal = deferred<never>();
  const rating = { rounding: roundingTable(config.rounding), calendar, limits: config.limits };
  const deadLetters = createDeadLetters(publisher, config.prefix);
  const statuses = (): RunnerStatus[] => runners.map((runner) => runner.status());
  const metrics = createConsumerMetrics(
    statuses,
    () => watch.health(),
    () => logWatch.position(),
    () => Date.now(),
  );
  const layoutWatch = watchLayout(kafka, config.prefix, layout);
  const totals = createTotals(store, layoutWatch, closes, metrics.observeApply);
  const runners = options.consumers.map((consumer, index) =>
    createRunner({
      ...{ client: kafka, topic: topics[index]!, topicId: topicIds.get(topics[index]!) },
      ...{ layout: layoutWatch, totals, deadLetters, metrics, logger },
      groupId: groupOf(config.prefix, consumer.name),
      rate: (message) => rateMessage(consumer, message, rating),
      onFatal: fatal.reject,
    }),
  );

  const groupIds = options.consumers.map(({ name }) => groupOf(config.prefix, name));
  const logWatch = watchLog(
    { kafka, store, topics, readers: () => assignedPartitions(kafka, groupIds) },
    logger,
  );
  const watch = watchHealth({
    logWatch,
    ping: () => store.redis.ping(),
    stuckAfterMs: config.health.stuckAfterMs,
    ...{ statuses, logger, onFatal: fatal.reject },
  });
  const progressLog = logProgress({
    ...{ logger, statuses },
    position: () => logWatch.position(),
    deadLetters: () => metrics.deadLettersByReason(),
  });
  let probes: HealthServer | undefined;
  try {
    probes = await serveProbes(config.health, () => watch.health(), metrics.registry, logger);
    const ended = Promise.race([stopSignal.promise, fatal.promise]);
    await Promise.race([Promise.all(runners.map((runner) => runner.start())), ended]);
    const caught =
      options.untilCaughtUp && caughtUp(context, layout.shards, ends, stopSignal, options.purpose);
    await Promise.race([ended, ...(caught ? [caught] : [])]);
    return options.untilCaughtUp && stopSignal.stopped() ? 'interrupted' : 'done';
  } catch (error) {
    deadline.begin();
    throw error;
  } finally {
    watch.stop();
    logWatch.stop();
    await deadline.during('the health server', probes?.close() ?? Promise.resolve());
    await stopRunners(runners, deadline);
    progressLog.stop();
    await deadline.during('the publisher', Promise.allSettled([publisher.close()]));
    stopSignal.dispose();
  }
}

/** Before their publisher is closed, so that no dead letter is produced after it is gone. */
async function stopRunners(runners: readonly Runner[], deadline: StopDeadline): Promise<void> {
  await Promise.allSettled(runners.map((runner) => runner.stop((what, wait) => deadline.during(what, wait))));
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
async function watchLedger({ config, logger, kafka, store }: Context): Promise<ClosesWatch> {
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
