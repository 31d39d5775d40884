import type { Log } from '../log';
import type { KafkaClient } from '../stream/kafka';
import { readLedger } from '../stream/ledger';
import { topicName } from '../stream/topics';
import { restoreFreeze } from '../totals/freeze';
import type { Store } from '../totals/store';
import type { CloseRecord } from './close-record';

/**
 * Brings every freeze that the ledger knows into Redis. A Redis that lost its last second may have lost a freeze with
 * it; replaying the log without that freeze would count late usage in a month that is already invoiced.
 */
export async function restoreCloses(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  log: Log,
): Promise<void> {
  const records = new Map<string, CloseRecord>();
  await readLedger(kafka, topicName(prefix, 'billing.closes'), (month, value) => {
    if (value !== null) records.set(month, JSON.parse(value) as CloseRecord);
  });
  for (const [month, record] of [...records].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const [shard, cursors] of Object.entries(record.cursors)) {
      const restored = await restoreFreeze(store, Number(shard), month, new Map(Object.entries(cursors)));
      if (restored) log.warn({ month, shard }, 'restored a freeze that Redis had lost');
    }
  }
}
