import { checkCountingSettings, countingSettings } from '../../installation/recorded-settings';
import { EXIT } from '../../lib/error-codes';
import { TallymanError } from '../../lib/errors';
import { createProgress } from '../../lib/progress';
import { roundingTable } from '../../rating/rounding';
import { Follower } from './follower';
import type { Difference } from '../compare/difference';
import type { CountState } from './own-count';
import { SumStore } from './sum-store';
import { usageTopics } from '../../kafka/topics/topics';
import { createFollowerMetrics } from './follower-metrics';
import { serveProbes, type HealthServer, type Readiness } from '../../lib/health-server';
import type { Context } from '../../installation/context';
import { pause } from '../../lib/process/poller';
import { signalled } from '../../lib/process/stop-signal';

export interface FollowOptions {
  /** The directory of the second count. */
  readonly state: string;
  /** Whether to end when everything was compared once, instead of running until stopped. */
  readonly once: boolean;
}

const ROUND_MS = 1_000;
/** If a round takes longer, or a sweep is older, readiness fails. */
const ROUND_LIMIT_MS = 60_000;
const SWEEP_LIMIT_MS = 300_000;

/**
 * Keeps a second count beside the consumers until a signal, or until everything was compared once.
 *
 * @returns the differences that exist at the end, and whether everything was compared by then
 */
export async function followVerify(
  context: Context,
  { state, once }: FollowOptions,
): Promise<{ differences: Difference[]; hasSeenAll: boolean }> {
  const { config, calendar, logger } = context;
  const client = context.kafka();
  const store = await context.store();
  const counting = await checkCountingSettings(client, config);
  const topics = usageTopics(config.prefix);
  const topicIds = await Promise.all(topics.map((topic) => client.topicId(topic)));
  const sums = SumStore.open<CountState>(state);
  const stop = signalled();
  const follower = new Follower({
    ...{ client, store, prefix: config.prefix, counting, sums, logger },
    rating: { rounding: roundingTable(config.rounding), calendar, limits: config.limits },
    basis: JSON.stringify([FORMAT, countingSettings(config), topics, topicIds]),
    isStopped: () => stop.stopped(),
  });
  const progress = once ? createProgress('verify --follow') : undefined;
  const drawing = setInterval(() => {
    const { left, total } = follower.status;
    progress?.update(total - left, total);
  }, ROUND_MS);
  let probes: HealthServer | undefined;
  try {
    probes = await serveFollower(context, follower);
    while (!stop.stopped() && !(once && follower.hasSeenAll)) {
      await follower.round();
      await checkTopicIds(context, topics, topicIds);
      if (!follower.isBusy) await pause(ROUND_MS, stop.signal);
    }
    await follower.commit();
    return { differences: follower.differences.list(), hasSeenAll: follower.hasSeenAll };
  } finally {
    clearInterval(drawing);
    progress?.end();
    await probes?.close();
    sums.close();
    stop.dispose();
  }
}

/** The version of the state directory's content. If it is older, the count begins again. */
const FORMAT = 1;

async function checkTopicIds(
  context: Context,
  topics: readonly string[],
  expected: readonly (string | undefined)[],
): Promise<void> {
  for (const [i, topic] of topics.entries()) {
    const id = await context.kafka().topicId(topic);
    if (id === expected[i]) continue;
    throw new TallymanError(
      'TOPIC_REPLACED',
      `${topic} was deleted and created again while it was followed. Restore it, then start \`verify --follow\` again.`,
      { topic, expectedId: expected[i], id },
      { exit: EXIT.refused },
    );
  }
}

function serveFollower({ config, logger }: Context, follower: Follower): Promise<HealthServer | undefined> {
  const metrics = createFollowerMetrics({
    status: () => follower.status,
    countByKind: () => follower.differences.countByKind(),
  });
  const readiness = (): Readiness & { readonly differences: readonly Difference[] } => {
    const problems = problemsOf(follower);
    return { ready: problems.length === 0, problems, differences: follower.differences.list() };
  };
  return serveProbes(config.health, readiness, metrics, logger);
}

function problemsOf({ status, differences }: Follower): Readiness['problems'] {
  const { left, total, roundAt, sweptAt } = status;
  const problems: { code: string; subject: string; detail: string }[] = [];
  const report = (code: string, subject: string, detail: string): void =>
    void problems.push({ code, subject, detail });
  if (differences.count > 0)
    report('DIFFERENCE', 'Redis', `${differences.count} differences between Redis and the log`);
  if (sweptAt === undefined)
    report('NOT_COMPARED', 'log', `${total - left} of ${total} offsets are recounted so far`);
  else if (performance.now() - sweptAt > SWEEP_LIMIT_MS)
    report('SWEEP_LATE', 'Redis', `everything was last compared ${secondsSince(sweptAt)} s ago`);
  if (roundAt !== undefined && performance.now() - roundAt > ROUND_LIMIT_MS)
    report('ROUND_LATE', 'log', `the last round ended ${secondsSince(roundAt)} s ago`);
  return problems;
}

const secondsSince = (at: number): number => Math.floor((performance.now() - at) / 1000);
