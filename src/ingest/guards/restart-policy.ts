/**
 * A consumer gives up after this long without a break in the trouble, when Kafka is away or the
 * group is in disorder.
 */
const TROUBLE_LIMIT_MS = 300_000;
/** Trouble that returns sooner than this counts as the same trouble. */
const TROUBLE_BREAK_MS = 30_000;

/**
 * Decides whether a consumer that broke down is started again. A consumer has to survive the
 * restart of a broker, and kafkajs breaks down if it was the only one. But a consumer that breaks
 * down over and over must not look alive forever.
 *
 * @returns a function that is called at each breakdown with a monotonic time
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
