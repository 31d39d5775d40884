/** What a consumer needs to know about closed months: see docs/exactness.md, the freeze. */
export interface ClosesWatch {
  /**
   * The latest closed month in the ledger, read at most `maxAgeMs` ago; undefined if there is none.
   */
  latest(): Promise<string | undefined>;
  /** Restores what Redis has lost. */
  restore(): Promise<void>;
}

export interface ClosesWatchOptions {
  /** The end of the ledger of closes. If it has moved, there is another close. */
  readonly ledgerEnd: () => Promise<number>;
  /** Restores every freeze in the ledger to Redis. Returns the closed months in order. */
  readonly restore: () => Promise<readonly string[]>;
  readonly maxAgeMs?: number;
}

/** A Redis that loses its tail is away for longer than this. */
const MAX_AGE_MS = 1_000;

/**
 * Follows the ledger of closes. It is read before each chunk, which costs one request per second.
 * Otherwise a consumer would learn of a close only at its next start. If Redis lost the freeze
 * meanwhile, the consumer would continue to count as if the month were open.
 */
export function watchCloses({ ledgerEnd, restore, maxAgeMs = MAX_AGE_MS }: ClosesWatchOptions): ClosesWatch {
  let months: readonly string[] = [];
  let knownEnd: number | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    const startedAt = performance.now();
    const end = await ledgerEnd();
    if (end !== knownEnd) months = await restore();
    knownEnd = end;
    askedAt = startedAt;
  }

  return {
    async latest() {
      if (performance.now() - askedAt >= maxAgeMs) {
        asking ??= ask().finally(() => (asking = undefined));
        await asking;
      }
      return months.at(-1);
    },
    async restore() {
      months = await restore();
    },
  };
}
