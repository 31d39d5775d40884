import { mayPass } from '../../redis/redis-errors';

/**
 * A partition that Redis does not serve waits this long before its process ends, as it does for a
 * Kafka that is away (restart-policy.ts). A failover takes seconds, and a slot moves in minutes.
 * After that a new process may help, because it looks up the address again.
 */
const OUTAGE_LIMIT_MS = 300_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;

/** How long each partition of a consumer has been without its part of Redis. */
export class RedisOutages {
  private readonly begun = new Map<number, { readonly atMs: number; pauses: number }>();

  /**
   * Notes that Redis failed for a partition.
   *
   * @param nowMs monotonic
   * @returns how long the partition should pause; undefined if the error does not pass by itself,
   *   or the outage has lasted too long
   */
  pauseAfter(partition: number, error: unknown, nowMs: number): number | undefined {
    if (!mayPass(error)) return undefined;
    const outage = this.begun.get(partition) ?? { atMs: nowMs, pauses: 0 };
    if (nowMs - outage.atMs > OUTAGE_LIMIT_MS) return undefined;
    this.begun.set(partition, outage);
    outage.pauses += 1;
    return Math.min(FIRST_PAUSE_MS * 2 ** (outage.pauses - 1), LONGEST_PAUSE_MS);
  }

  /** After a rebalance, the partitions may belong to another member. */
  clear(): void {
    this.begun.clear();
  }

  /** Notes that Redis served a partition. Returns whether that ends an outage. */
  end(partition: number): boolean {
    return this.begun.delete(partition);
  }
}
