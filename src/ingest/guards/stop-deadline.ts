import type { Socket } from 'node:net';
import type { Logger } from '../../lib/logger';

/** Longer than an orderly stop takes whose servers answer. */
const CUT_AFTER_MS = 4_000;
/**
 * Well under the half a minute that supervisors wait before they kill; longer than a stop takes
 * after the cut.
 */
const STOP_LIMIT_MS = 20_000;

/**
 * Cuts short a stop that takes long, and ends a process that does not stop in time. Says what it
 * waited for.
 */
export interface StopDeadline {
  /** The time runs from the first call on. */
  begin(): void;
  /** Notes that the stop waits for something, until it is over. */
  during<T>(what: string, wait: Promise<T>): Promise<T>;
}

/**
 * An orderly stop waits for answers: of Redis to the chunks at hand, of Kafka to a goodbye. A
 * server that is away or starts may take longer than anybody waits, so the connections are cut
 * then, and every wait fails. Whatever was under way is done again by the next process. A process
 * that has nothing left to do ends before, and is not kept by this.
 *
 * @param cut ends every connection
 */
export function createStopDeadline(
  logger: Pick<Logger, 'error' | 'warn'>,
  cut: () => void,
  end: () => void = () => process.exit(1),
): StopDeadline {
  const waits = new Map<symbol, string>();
  const waitsFor = (): string[] => (waits.size > 0 ? [...waits.values()] : openHandles());
  let hasBegun = false;
  return {
    begin() {
      if (hasBegun) return;
      hasBegun = true;
      setTimeout(() => {
        logger.warn({ waitsFor: waitsFor() }, 'the stop takes long: cutting the connections');
        cut();
      }, CUT_AFTER_MS).unref();
      setTimeout(() => {
        logger.error(
          { limitMs: STOP_LIMIT_MS, waitsFor: waitsFor() },
          'did not stop in time: ending the process',
        );
        end();
      }, STOP_LIMIT_MS).unref();
    },
    during(what, wait) {
      const key = Symbol(what);
      waits.set(key, what);
      return wait.finally(() => waits.delete(key));
    },
  };
}

/**
 * What keeps a process alive whose stop is over: connections by their address, the rest by its
 * kind.
 */
function openHandles(): string[] {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles: () => Partial<Socket>[] };
  const remote = handles().flatMap(({ remoteAddress, remotePort }) =>
    remotePort === undefined ? [] : [`a connection to ${remoteAddress}:${remotePort}`],
  );
  return [...remote, ...process.getActiveResourcesInfo()];
}
