/** What is asked for again and again, and what was answered last. */
export interface Polled<T> {
  /** undefined before the first answer and after a failure. */
  latest(): T | undefined;
  /** Why there is no answer. */
  failure(): Error | undefined;
  /** Asks, unless the last question is younger than `everyMs` or has no answer yet. @throws what the question throws */
  refresh(): Promise<void>;
}

export function polled<T>(everyMs: number, ask: () => Promise<T>): Polled<T> {
  let latest: T | undefined;
  let failure: Error | undefined;
  let asking: Promise<void> | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  const askNow = async (): Promise<void> => {
    try {
      latest = await ask();
      failure = undefined;
    } catch (error) {
      latest = undefined;
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      asking = undefined;
    }
  };
  return {
    latest: () => latest,
    failure: () => failure,
    refresh() {
      if (asking !== undefined) return asking;
      if (Date.now() - askedAtMs < everyMs) return Promise.resolve();
      askedAtMs = Date.now();
      return (asking = askNow());
    },
  };
}
