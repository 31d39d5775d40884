import { TallymanError } from '../../lib/errors';
import type { Logger } from '../../lib/logger';
import { polled, repeat } from '../../lib/process/poller';
import type { TopicConsumerStatus } from '../consumer';
import { checkHealth, type Health } from './check-health';
import type { LogWatch } from './log-position';

export interface HealthWatchOptions {
  readonly ping: () => Promise<unknown>;
  readonly statuses: () => readonly TopicConsumerStatus[];
  /** All partitions of the topics that are consumed here, whoever is assigned to them. */
  readonly logWatch: Pick<LogWatch, 'position' | 'problem'>;
  readonly stuckAfterMs: number;
  readonly logger: Logger;
  /** Called once, when a loop has been stuck until only ending the process helps. */
  readonly onFatal: (error: TallymanError) => void;
}

export interface HealthWatch {
  health(): Health;
  stop(): void;
}

const LOOK_INTERVAL_MS = 1_000;
/** Redis counts as away if it has not answered for this long. */
const PING_LIMIT_MS = 3_000;
/**
 * Longer than a consumer waits for a Kafka that is away (restart-policy.ts). The consumer then ends
 * on its own, and gives the reason.
 */
const WATCHDOG_MS = 360_000;

/**
 * Checks the consumers once per second. It logs what goes wrong and when it is well again. If a
 * loop is stuck for too long, it gives up, whatever the cause: a process that only looks alive is
 * worse than none.
 */
export function watchHealth(options: HealthWatchOptions): HealthWatch {
  const { ping, statuses, logWatch, stuckAfterMs, logger, onFatal } = options;
  const answer = polled(0, ping);
  let known = new Map<string, string>();

  const health = (): Health => {
    const silentMs = answer.ageMs();
    const storeProblem =
      answer.failure()?.message ??
      (silentMs > PING_LIMIT_MS ? `no answer for ${Math.floor(silentMs / 1000)} s` : undefined);
    return checkHealth({
      loops: statuses(),
      storeProblem,
      position: logWatch.position(),
      positionProblem: logWatch.problem(),
      stuckAfterMs,
    });
  };

  const look = (): void => {
    answer.refresh().catch(() => undefined); // `health` reports it.
    const { problems } = health();
    const current = new Map(problems.map(({ code, subject }) => [`${code} ${subject}`, subject]));
    for (const { code, subject, detail } of problems) {
      if (!known.has(`${code} ${subject}`)) logger.error({ code, subject }, detail);
    }
    for (const [key, subject] of known) {
      if (!current.has(key)) logger.info({ code: key.split(' ')[0], subject }, 'well again');
    }
    known = current;
    for (const { topic, idleMs } of statuses()) {
      if (idleMs <= WATCHDOG_MS) continue;
      void looks.stop();
      const message = `The consumer of ${topic} has been stuck for ${Math.floor(idleMs / 1000)} s: ending the process.`;
      onFatal(new TallymanError('LOOP_STOPPED', message, { topic, idleMs }));
      return;
    }
  };
  const looks = repeat({
    everyMs: LOOK_INTERVAL_MS,
    turn: look,
    onFailure: (error) => logger.error({ err: error }, 'cannot check the health'),
    keepsAlive: true,
  });
  return { health, stop: () => void looks.stop() };
}
