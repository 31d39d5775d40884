import type { Logger } from '../../lib/logger';

/** Well under the half a minute that supervisors wait before they kill; longer than a chunk and a goodbye take. */
const STOP_LIMIT_MS = 20_000;

/** Ends a process that does not stop in time, and says what it waited for. */
export interface StopDeadline {
  /** The time runs from the first call on. */
  begin(): void;
  /** Notes that the stop waits for something, until it is over. */
  during<T>(what: string, wait: Promise<T>): Promise<T>;
}

/**
 * An orderly stop says goodbye to Kafka, which takes an answer, over connections that may have been cut. Whatever is
 * under way at the deadline is done again by the next process. A process that has nothing left to do ends before, and
 * is not kept by this.
 */
export function createStopDeadline(
  logger: Pick<Logger, 'error'>,
  end: () => void = () => process.exit(1),
  limitMs = STOP_LIMIT_MS,
): StopDeadline {
  const waits = new Map<symbol, string>();
  let hasBegun = false;
  return {
    begin() {
      if (hasBegun) return;
      hasBegun = true;
      setTimeout(() => {
        logger.error({ limitMs, waitsFor: [...waits.values()] }, 'did not stop in time: ending the process');
        end();
      }, limitMs).unref();
    },
    during(what, wait) {
      const key = Symbol(what);
      waits.set(key, what);
      return wait.finally(() => waits.delete(key));
    },
  };
}
