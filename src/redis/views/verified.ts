import type { Store } from '../store';

/** What the last `tallyman verify` of a month came to. */
export interface Verified {
  readonly month: string;
  /** ISO 8601 in UTC. */
  readonly verifiedAt: string;
  readonly result: 'equal' | 'different' | 'not_judged';
  readonly differences: number;
  /** Repeats that say something else than their first, which holds. */
  readonly conflicts: number;
  /** Those of them that would have counted otherwise. */
  readonly conflictsThatCount: number;
}

/** Notes what a verification came to, in the place of the month's last one. */
export async function writeVerified(store: Store, verified: Verified): Promise<void> {
  await store.redis.hset(store.keys.verified, verified.month, JSON.stringify(verified));
}

/** The months that were verified, in order. */
export async function readVerified(store: Store): Promise<Verified[]> {
  const found = Object.values(await store.redis.hgetall(store.keys.verified));
  return found.map((json) => JSON.parse(json) as Verified).sort((a, b) => (a.month < b.month ? -1 : 1));
}
