import { usageConsumers } from '../../consumers';
import type { RawMessage } from '../../consumers/decode/decode-event';
import { rateMessage, type RatedMessage } from '../../consumers/decode/rate-message';
import type { Config } from '../lib/config';
import type { BillingCalendar } from '../rating/billing-calendar';
import { roundingTable } from '../rating/rounding';
import { topicName } from '../kafka/topics/topics';

/**
 * This program's verdict on a record of any topic, under these settings; undefined for one of no
 * usage topic.
 */
export type RecordRater = (topic: string, message: RawMessage) => RatedMessage | undefined;

export function createRecordRater(
  { prefix, rounding, limits }: Pick<Config, 'prefix' | 'rounding' | 'limits'>,
  calendar: BillingCalendar,
): RecordRater {
  const context = { rounding: roundingTable(rounding), calendar, limits };
  const byTopic = new Map(usageConsumers.map((consumer) => [topicName(prefix, consumer.topic), consumer]));
  return (topic, message) => {
    const consumer = byTopic.get(topic);
    return consumer && rateMessage(consumer, message, context);
  };
}
