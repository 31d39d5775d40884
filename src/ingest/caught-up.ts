import type { LedgerFollowers } from '../installation/ledgers/follow-ledger';
import type { Store } from '../redis/store';
import type { Context } from '../installation/context';

/** Redis, with views that are brought to the ends of their ledgers: what it has lost is shown again. */
export async function caughtUp(
  { config, kafka, store: openStore }: Context,
  ...views: (keyof LedgerFollowers)[]
): Promise<Store> {
  const { followLedgers } = await import('../installation/ledgers/follow-ledger.js');
  const store = await openStore();
  const followers = followLedgers(kafka(), store, config.prefix);
  await Promise.all(views.map((view) => followers[view].catchUp()));
  return store;
}
