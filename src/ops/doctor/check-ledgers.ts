import type { Context } from '../../installation/context';
import { followLedgers } from '../../installation/ledgers/follow-ledger';
import { endRefusals } from '../../installation/ledgers/ledger-ends';
import { LEDGER_REMEDY } from '../../installation/ledgers/ledger-refusal';
import type { Finding } from '../../lib/finding';

/** Finds the ledgers that `close` and `serve` refuse, because others were read before. */
export async function checkLedgers({ kafka, store, config }: Context): Promise<Finding[]> {
  const [client, opened] = [kafka(), await store()];
  const { projects, closes, invoices } = followLedgers(client, opened, config.prefix);
  const refusals = await Promise.all([
    ...[projects, closes, invoices].map((ledger) => ledger.refusal()),
    endRefusals(client, opened, config.prefix),
  ]);
  return refusals.flat().flatMap((refusal) => {
    if (refusal === undefined) return [];
    const { code, topic: subject, problem } = refusal;
    return [{ level: 'error', code, subject, problem, remedy: LEDGER_REMEDY }];
  });
}
