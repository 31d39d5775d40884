import type { Finding } from '../../lib/finding';
import type { BillingCalendar } from '../../rating/billing-calendar';
import type { KafkaClient } from '../../kafka/client';
import { readCloses } from '../../redis/views/closes';
import { readCutOffs } from '../../redis/cut-offs';
import { findShardCount } from '../../redis/usage/read-usage';
import type { Store } from '../../redis/store';
import { monthsFrozenTooEarly } from './frozen-too-early';
import { readCloseRecords } from './restore-closes';

export interface CheckedInstallation {
  readonly client: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  readonly calendar: BillingCalendar;
  readonly shardCount: number;
  readonly nowMs: number;
}

/**
 * Compares the ledger with Redis: the same closed months, frozen at the same offsets, and as many
 * shards as the installation has.
 */
export async function checkCloses({
  client,
  store,
  prefix,
  calendar,
  shardCount,
  nowMs,
}: CheckedInstallation): Promise<Finding[]> {
  const records = await readCloseRecords(client, prefix);
  const shown = await readCloses(store);
  const findings = await checkShards(store, shardCount);
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
  const unpublished = new Set<string>();
  for (let shard = 0; shard < shardCount; shard += 1) {
    const freezes = await readCutOffs(store, shard);
    for (const month of freezes.keys()) if (!records.has(month)) unpublished.add(month);
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
          : 'start the consumers again, they restore it',
      });
    }
  }
  const tooEarly = new Set(await monthsFrozenTooEarly(client, store, prefix, calendar, [...unpublished]));
  for (const month of unpublished) {
    const mayClose = calendar.monthEnd(month) <= nowMs && !tooEarly.has(month);
    findings.push({
      level: 'error',
      subject: `close of ${month}`,
      problem: mayClose
        ? 'Redis has frozen it, and nothing of it was published: a close was interrupted'
        : 'a close has frozen it before it was over, under a wrong clock: its usage since counts as late',
      remedy: mayClose ? `tallyman close ${month}` : 'stop the consumers, then run tallyman rebuild --empty',
    });
  }
  return findings;
}

async function checkShards(store: Store, shardCount: number): Promise<Finding[]> {
  const noted = await findShardCount(store);
  if (noted === shardCount) return [];
  return [
    {
      level: 'error',
      subject: 'usage:shards',
      problem: `Redis has ${noted ?? 'no number'} of shards noted, and this installation has ${shardCount}`,
      remedy:
        noted !== undefined && noted > shardCount
          ? 'check KAFKA_BROKERS and TALLYMAN_PREFIX: these are not the topics that were counted'
          : 'tallyman init',
    },
  ];
}
