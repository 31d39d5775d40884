/** What a consumer must know of closed months: see docs/exactness.md, the freeze. */
export interface ClosesWatch {
  /**
   * The latest month known to be closed, asked of the ledger at most `maxAgeMs` ago; undefined for
   * none.
   */
  latest(): Promise<string | undefined>;
  /** Puts back what Redis has lost. */
  restore(): Promise<void>;
}

export interface ClosesWatchOptions {
  /** Where the ledger of closes ends: another end than before means another close. */
  readonly ledgerEnd: () => Promise<number>;
  /** Brings into Redis every freeze that the ledger knows; returns the closed months in order. */
  readonly restore: () => Promise<readonly string[]>;
  readonly maxAgeMs?: number;
}

/** A Redis that loses its tail is away for longer than this. */
const MAX_AGE_MS = 1_000;

/**
 * Follows the ledger of closes. Asked before each chunk, it costs a request a second; a consumer
 * that learned of a close only at its next start would count on, if Redis lost the freeze
 * meanwhile, as if the month were open.
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
