import { TallymanError } from '../../lib/errors';
import { openFencedPublisher } from '../../kafka/ledger/fenced-publisher';
import { appendLedger } from '../../kafka/ledger/ledger';
import type { KafkaClient } from '../../kafka/client';
import type { Publisher } from '../../kafka/producer';
import { topicName } from '../../kafka/topics/topics';

/** A key that readers of the ledger ignore. Its record has no value, so compaction removes it. */
const PROBE_KEY = 'fence';

/**
 * Makes this close the only one that can publish closes and invoices of any month, because two at
 * once would give the same numbers. Then proves that the ledger accepts records. If a month is
 * frozen and its record is refused, all further usage would count as late.
 *
 * An earlier close ends with CLOSE_FENCED. What it published stays, and this close continues from
 * there.
 */
export async function openCloseFence(kafka: KafkaClient, prefix: string): Promise<Publisher> {
  const publisher = await openFencedPublisher(
    kafka,
    `tallyman ${topicName(prefix, 'billing.closes')}`,
    closeFenced,
  );
  try {
    await appendLedger(publisher, topicName(prefix, 'billing.closes'), [{ key: PROBE_KEY, value: null }]);
  } catch (error) {
    await publisher.close();
    throw error instanceof TallymanError ? error : ledgerRefused(prefix, error);
  }
  return publisher;
}

function ledgerRefused(prefix: string, cause: unknown): TallymanError {
  const topic = topicName(prefix, 'billing.closes');
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TallymanError(
    'LEDGER_REFUSED',
    `Kafka does not accept a record for ${topic}: ${reason}. Nothing was frozen. Run \`tallyman close\` again. If that ` +
      "fails too, check the brokers and this user's rights to write.",
    { topic },
    { cause },
  );
}

function closeFenced(): TallymanError {
  return new TallymanError(
    'CLOSE_FENCED',
    'Another close has taken over, or this one was paused for more than ten seconds. It issues nothing more. Wait until the ' +
      'other one has ended, then run `tallyman close` to issue what is left.',
  );
}
