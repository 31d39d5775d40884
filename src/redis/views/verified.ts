import type { Verified } from '../../../schemas/types';
import { parseCopy } from '../../lib/document';
import type { Store } from '../store';

/** Stores the result of a verification in place of the month's last one. */
export async function writeVerified(store: Store, verified: Verified): Promise<void> {
  await store.redis.hset(store.keys.verified, verified.month, JSON.stringify(verified));
}

export async function readVerified(store: Store): Promise<Verified[]> {
  const found = Object.values(await store.redis.hgetall(store.keys.verified));
  return found
    .map((json) => parseCopy('verified.v1.json', json, 'a verification'))
    .sort((a, b) => (a.month < b.month ? -1 : 1));
}
