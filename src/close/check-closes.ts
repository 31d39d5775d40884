import type { Finding } from '../finding';
import type { KafkaClient } from '../stream/kafka';
import { readCloses } from '../totals/closes';
import { readFreezes } from '../totals/freeze';
import { readShardCount } from '../totals/read';
import type { Store } from '../totals/store';
import { readCloseRecords } from './restore-closes';

/** Whether Redis and the ledger speak of the same closed months, frozen at the same offsets. */
export async function checkCloses(client: KafkaClient, store: Store, prefix: string): Promise<Finding[]> {
  const records = await readCloseRecords(client, prefix);
  const shown = await readCloses(store);
  const findings: Finding[] = [];
  for (const month of new Set([...records.keys(), ...shown.keys()])) {
    if (records.has(month) && shown.has(month)) continue;
    findings.push({
      level: 'error',
      subject: `close of ${month}`,
      problem: records.has(month)
        ? 'the ledger holds it, Redis does not: its invoices do not show'
        : 'Redis holds it, the ledger does not: a rebuild would count its late usage in time',
      remedy: records.has(month) ? 'tallyman rebuild' : `tallyman close ${month}`,
    });
  }
  const shardCount = await readShardCount(store);
  for (let shard = 0; shard < shardCount; shard += 1) {
    const freezes = await readFreezes(store, shard);
    for (const [month, { cursors }] of records) {
      const recorded = new Map(Object.entries(cursors[shard] ?? {}));
      const frozen = freezes.get(month) ?? new Map<string, number>();
      const topics = new Set([...recorded.keys(), ...frozen.keys()]);
      if ([...topics].every((topic) => recorded.get(topic) === frozen.get(topic))) continue;
      findings.push({
        level: 'error',
        subject: `close of ${month}, shard ${shard}`,
        problem: freezes.has(month)
          ? 'Redis has frozen it at other offsets than the ledger: they are of different installations, or one was edited'
          : 'Redis has lost its freeze: late usage would be counted in a month that is invoiced',
        remedy: freezes.has(month)
          ? 'look at REDIS_URL, KAFKA_BROKERS and TALLYMAN_PREFIX'
          : 'start the consumers again, they put it back',
      });
    }
  }
  return findings;
}
