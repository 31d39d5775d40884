import type { KafkaClient } from '../../kafka/client';
import { offsetsAt, usageTopics } from '../../kafka/topics/topics';
import type { BillingCalendar } from '../../rating/billing-calendar';
import { readCutOffs } from '../../redis/cut-offs';
import { laneOf, shardOf } from '../../redis/usage/lanes';
import type { Store } from '../../redis/store';
import { readShardCount } from '../../redis/usage/read-usage';

/**
 * The frozen months whose freeze was made before the month ended and excludes records that arrived
 * in between. Their usage of the month counts as late. If the log holds no such record, a close
 * after the end of the month would have frozen it at the same offsets.
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
  const shardCount = await readShardCount(store);
  for (const topic of usageTopics(prefix)) {
    const offsets = await offsetsAt(client, topic, endMs);
    for (const [partition, offset] of offsets.entries()) {
      const freezes = await readCutOffs(store, shardOf(partition, shardCount));
      const frozenAt = freezes.get(month)?.get(laneOf(topic, partition, shardCount));
      if (frozenAt !== undefined && frozenAt < offset) return true;
    }
  }
  return false;
}
