import type { Context } from '../../installation/context';
import { followLedgers, LEDGER_REMEDY } from '../../installation/ledgers/follow-ledger';
import type { Finding } from '../../lib/finding';

/** Finds the ledgers that `close` and `serve` refuse, because Redis has shown others. */
export async function checkLedgers({ kafka, store, config }: Context): Promise<Finding[]> {
  const { projects, closes, invoices } = followLedgers(kafka(), await store(), config.prefix);
  const refusals = await Promise.all([projects, closes, invoices].map((ledger) => ledger.refusal()));
  return refusals.flatMap((refusal) => {
    if (refusal === undefined) return [];
    const { code, topic: subject, problem } = refusal;
    return [{ level: 'error', code, subject, problem, remedy: LEDGER_REMEDY }];
  });
}
