import type { LedgerFollowers } from './follow-ledger';
import type { Store } from '../../redis/store';
import type { Context } from '../context';

/**
 * Opens Redis and brings these views up to the ends of their ledgers, which restores what Redis
 * lost.
 */
export async function caughtUp(
  { config, kafka, store: openStore }: Context,
  ...views: (keyof LedgerFollowers)[]
): Promise<Store> {
  const { followLedgers } = await import('./follow-ledger.js');
  const store = await openStore();
  const followers = followLedgers(kafka(), store, config.prefix);
  await Promise.all(views.map((view) => followers[view].catchUp()));
  return store;
}
