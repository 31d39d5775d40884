import { constants } from 'node:os';
import type { Logger } from '../logger';

export interface StopSignal {
  /** Aborted when the stop is requested. */
  readonly signal: AbortSignal;
  /** Resolves then. */
  readonly promise: Promise<void>;
  stopped(): boolean;
  dispose(): void;
}

/** A shell's code for Ctrl-C. A script must not take an interrupted job for a finished one. */
export const EXIT_INTERRUPTED = 130;

let onSignalWhileStarting: ((signal: NodeJS.Signals) => void) | undefined;

/** Until `signalled` is called, SIGINT or SIGTERM ends the process at once and in good order. */
export function stopsInOrder(): void {
  startWith(() => process.exit(0));
}

/** Until `signalled` is called, a signal ends the process with the exit code of a shell for it. */
export function diesOfSignal(): void {
  startWith((signal) => process.exit(128 + constants.signals[signal]));
}

/**
 * Until `signalled` is called, the first SIGINT or SIGTERM ends the process at once and in good
 * order. A process that starts may wait minutes for its servers, and holds nothing yet that a stop
 * would have to finish.
 */
export function stopsWhileStarting(logger: Pick<Logger, 'debug' | 'info'>, exitCode = 0): void {
  startWith(() => {
    logger.info('stopped while starting');
    process.exit(exitCode);
  });
  logger.debug('starting');
}

/** The first SIGINT or SIGTERM requests an orderly stop. A second one ends the process at once. */
export function signalled(): StopSignal {
  const stop = new AbortController();
  const { signal } = stop;
  const onSignal = (): void => {
    if (signal.aborted) process.exit(EXIT_INTERRUPTED);
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  removeStarting();
  return {
    signal,
    promise: new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    stopped: () => signal.aborted,
    dispose() {
      stop.abort();
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

/** Without a listener in between, Node would forget a signal that came while it was loading. */
function startWith(onSignal: (signal: NodeJS.Signals) => void): void {
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  removeStarting();
  onSignalWhileStarting = onSignal;
}

function removeStarting(): void {
  if (onSignalWhileStarting === undefined) return;
  process.off('SIGINT', onSignalWhileStarting);
  process.off('SIGTERM', onSignalWhileStarting);
}
