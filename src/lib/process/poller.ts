// Everything that waits or repeats uses this file. The timers run on a monotonic clock: setting the
// system's clock neither shortens nor stretches a pause.

/** A timer of Node's that is set for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits for `ms`, or until the signal is aborted, whichever comes first. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const next = leftMs > LONGEST_TIMER_MS ? () => wait(leftMs - LONGEST_TIMER_MS) : end;
      timer = setTimeout(next, Math.min(leftMs, LONGEST_TIMER_MS));
    };
    wait(ms);
    signal?.addEventListener('abort', end);
  });
}

/** The answer of `work`, or undefined if it takes longer than `ms`. The work itself goes on. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const ended = new AbortController();
  try {
    return await Promise.race([work, pause(ms, ended.signal).then(() => undefined)]);
  } finally {
    ended.abort();
  }
}

export interface RepeatedTask {
  readonly everyMs: number;
  /** One turn. It may throw: the next turn runs all the same. */
  readonly turn: () => unknown;
  /** Called for each turn that fails. `isFirst`: the turn before it did not fail. */
  readonly onFailure: (error: unknown, isFirst: boolean) => unknown;
  /** Called for the first turn that succeeds after a failure. */
  readonly onRecovery?: () => void;
  /** Whether the process stays alive for the next turn. */
  readonly keepsAlive?: boolean;
}

export interface Repetition {
  /** Runs a turn at once, or joins the running one. Never rejects. */
  now(): Promise<void>;
  /**
   * No turn begins any more. Resolves when the running turn has ended, whose failure is not
   * reported.
   */
  stop(): Promise<void>;
}

/** The first turn begins `everyMs` from now, each other one `everyMs` after the end of the last. */
export function repeat({ everyMs, turn, onFailure, onRecovery, keepsAlive }: RepeatedTask): Repetition {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let hasFailed = false;
  let stopped = false;
  const schedule = (): void => {
    running = undefined;
    if (stopped) return;
    timer = setTimeout(() => void now(), everyMs);
    if (keepsAlive !== true) timer.unref();
  };
  const run = async (): Promise<void> => {
    clearTimeout(timer);
    try {
      await turn();
      if (hasFailed) onRecovery?.();
      hasFailed = false;
    } catch (error) {
      if (!stopped) onFailure(error, !hasFailed);
      hasFailed = true;
    }
  };
  const now = async (): Promise<void> => {
    if (!stopped) running ??= run().finally(schedule);
    await running;
  };
  schedule();
  return {
    now,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** A query whose last answer is kept. */
export interface Polled<T> {
  /**
   * Queries, unless the last answer is younger than `everyMs`. Callers share a query that has no
   * answer yet. A failure is not kept: the next call queries again. @throws the errors of the query
   */
  refresh(): Promise<T>;
  /** undefined before the first answer, after a failure, and if the answer is `maxAgeMs` old. */
  latest(maxAgeMs?: number): T | undefined;
  /** Why there is no answer. */
  failure(): Error | undefined;
  /** The time since the last answer's query began. Before the first answer: since the start. */
  ageMs(): number;
  /** The next `refresh` queries. A query that has no answer yet is ignored. */
  forget(): void;
}

export function polled<T>(everyMs: number, ask: () => Promise<T>): Polled<T> {
  let query: { readonly startedAt: number; readonly answer: Promise<T>; isRunning: boolean } | undefined;
  let latest: T | undefined;
  let failure: Error | undefined;
  let answeredFor = performance.now();
  const ageMs = (): number => performance.now() - answeredFor;
  const start = (): Promise<T> => {
    const own = { startedAt: performance.now(), answer: ask(), isRunning: true };
    query = own;
    own.answer.then(
      (answer) => {
        own.isRunning = false;
        if (query !== own) return;
        [latest, failure, answeredFor] = [answer, undefined, own.startedAt];
      },
      (error: unknown) => {
        if (query !== own) return;
        query = undefined;
        latest = undefined;
        failure = error instanceof Error ? error : new Error(String(error));
      },
    );
    return own.answer;
  };
  return {
    refresh() {
      if (query === undefined) return start();
      return query.isRunning || performance.now() - query.startedAt < everyMs ? query.answer : start();
    },
    latest: (maxAgeMs = Number.POSITIVE_INFINITY) => (ageMs() < maxAgeMs ? latest : undefined),
    failure: () => failure,
    ageMs,
    forget: () => (query = undefined),
  };
}
