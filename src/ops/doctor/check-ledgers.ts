import type { Context } from '../../installation/context';
import { followLedgers } from '../../installation/ledgers/follow-ledger';
import { END_REMEDY, endRefusals } from '../../installation/ledgers/ledger-ends';
import { LEDGER_REMEDY, type LedgerRefusal } from '../../installation/ledgers/ledger-refusal';
import { topicName } from '../../kafka/topics/topics';
import type { Finding } from '../../lib/finding';

/** Finds the ledgers that are not those that were read before, which `close` and `serve` refuse. */
export async function checkLedgers({ kafka, store, config }: Context): Promise<Finding[]> {
  const [client, opened, { prefix }] = [kafka(), await store(), config];
  const { projects, closes, invoices } = followLedgers(client, opened, prefix);
  const [ends, ...views] = await Promise.all([
    endRefusals(client, opened, prefix),
    ...[projects, closes, invoices].map((ledger) => ledger.refusal()),
  ]);
  return [
    ...views.flatMap((refusal) => (refusal ? [finding(refusal, 'error', LEDGER_REMEDY)] : [])),
    ...ends.map((refusal) => {
      const isBilledBy = refusal.topic !== topicName(prefix, 'billing.alerts');
      return finding(refusal, isBilledBy ? 'error' : 'warning', END_REMEDY);
    }),
  ];
}

const finding = (
  { code, topic: subject, problem }: LedgerRefusal,
  level: Finding['level'],
  remedy: string,
): Finding => ({ level, code, subject, problem, remedy });
