/** Repeats a query, and keeps the last answer. */
export interface Polled<T> {
  /**
   * undefined before the first answer, after a failure, and if the query is older than `maxAgeMs`.
   */
  latest(maxAgeMs?: number): T | undefined;
  /** Why there is no answer. */
  failure(): Error | undefined;
  /**
   * Queries, unless the last query is younger than `everyMs` or has no answer yet. @throws the
   * errors of the query
   */
  refresh(): Promise<void>;
}

export function polled<T>(everyMs: number, ask: () => Promise<T>): Polled<T> {
  let latest: T | undefined;
  let failure: Error | undefined;
  let asking: Promise<void> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let answeredFor = Number.NEGATIVE_INFINITY;
  const askNow = async (): Promise<void> => {
    const startedAt = performance.now();
    try {
      latest = await ask();
      answeredFor = startedAt;
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
    latest: (maxAgeMs = Number.POSITIVE_INFINITY) =>
      performance.now() - answeredFor < maxAgeMs ? latest : undefined,
    failure: () => failure,
    refresh() {
      if (asking !== undefined) return asking;
      if (performance.now() - askedAt < everyMs) return Promise.resolve();
      askedAt = performance.now();
      return (asking = askNow());
    },
  };
}
