/**
 * Kafka may be away, or the group in disorder, for so long without a break before the consumer is
 * given up.
 */
const TROUBLE_LIMIT_MS = 300_000;
/** Trouble that comes back sooner than this is the same as before. */
const TROUBLE_BREAK_MS = 30_000;

/**
 * Whether a consumer that broke down is started again. A broker that restarts must be ridden out,
 * and kafkajs breaks down when it is the only one; but a consumer that breaks down over and over
 * must not look alive for ever.
 *
 * @returns a function to be asked at each breakdown, by a clock that nobody sets
 */
export function createRestartPolicy(): (nowMs: number) => boolean {
  let troubleSince = Number.NEGATIVE_INFINITY;
  let lastBreakdownAt = Number.NEGATIVE_INFINITY;
  return (nowMs) => {
    if (nowMs - lastBreakdownAt > TROUBLE_BREAK_MS) troubleSince = nowMs;
    lastBreakdownAt = nowMs;
    return nowMs - troubleSince < TROUBLE_LIMIT_MS;
  };
}
