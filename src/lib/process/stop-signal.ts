import { deferred } from './deferred';

export interface StopSignal {
  readonly promise: Promise<void>;
  stopped(): boolean;
  dispose(): void;
}

/** The first SIGINT or SIGTERM requests an orderly stop. A second one ends the process at once. */
export function signalled(): StopSignal {
  let stopped = false;
  const asked = deferred<void>();
  const onSignal = (): void => {
    if (stopped) process.exit(130);
    stopped = true;
    asked.resolve();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    promise: asked.promise,
    stopped: () => stopped,
    dispose() {
      stopped = true;
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
