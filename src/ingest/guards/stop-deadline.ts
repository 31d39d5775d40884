import type { Socket } from 'node:net';
import type { Logger } from '../../lib/logger';

/** An orderly stop takes less than this if the servers answer. */
const CUT_AFTER_MS = 4_000;
/**
 * Well under the 30 s that supervisors wait before they kill. A stop takes less after its
 * connections were cut.
 */
const STOP_LIMIT_MS = 20_000;

/**
 * Cuts the connections of a stop that takes long, and ends a process that does not stop in time.
 * Logs what it waited for.
 */
export interface StopDeadline {
  /** The time starts at the first call. */
  begin(): void;
  /** Registers that the stop waits for something. */
  during<T>(what: string, wait: Promise<T>): Promise<T>;
}

/**
 * An orderly stop waits for answers: Redis has to answer the current chunks, and Kafka the goodbye.
 * A server that is away or starting may take too long. The connections are then cut, so that every
 * wait fails, and the next process repeats what was unfinished. A process that has nothing left to
 * do ends earlier: this does not keep it alive.
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
        logger.warn({ waitsFor: waitsFor() }, 'the stop is taking long: cutting the connections');
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
 * What keeps the process of a finished stop alive: connections by their address, everything else by
 * its kind.
 */
function openHandles(): string[] {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles: () => Partial<Socket>[] };
  const remote = handles().flatMap(({ remoteAddress, remotePort }) =>
    remotePort === undefined ? [] : [`a connection to ${remoteAddress}:${remotePort}`],
  );
  return [...remote, ...process.getActiveResourcesInfo()];
}
