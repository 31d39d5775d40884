import type { KafkaClient } from '../../kafka/client';
import { usageTopics } from '../../kafka/topics/topics';
import type { BillingCalendar } from '../../rating/billing-calendar';
import { readFreezes } from '../../redis/cut-offs';
import type { Store } from '../../redis/store';

/**
 * Those of some frozen months whose freeze was made before the month ended, and excludes records that arrived in between:
 * their usage of the month counts as late. If the log holds no such record, a close after the month's end would have
 * frozen it at the same offsets.
 */
export async function monthsFrozenTooEarly(
  client: KafkaClient,
  store: Store,
  prefix: string,
  calendar: BillingCalendar,
  months: readonly string[],
): Promise<string[]> {
  const early: string[] = [];
  for (const month of months) {
    if (await excludesRecords(client, store, prefix, month, calendar.monthEnd(month))) early.push(month);
  }
  return early;
}

async function excludesRecords(
  client: KafkaClient,
  store: Store,
  prefix: string,
  month: string,
  endMs: number,
): Promise<boolean> {
  const admin = await client.admin();
  for (const topic of usageTopics(prefix)) {
    // The first record from the end of the month on; the end of the log if there is none.
    for (const { partition, offset } of await admin.fetchTopicOffsetsByTimestamp(topic, endMs)) {
      const frozenAt = (await readFreezes(store, partition)).get(month)?.get(topic);
      if (frozenAt !== undefined && frozenAt < Number(offset)) return true;
    }
  }
  return false;
}
