import { usageConsumers } from '.';
import type { UsageConsumer } from './usage-consumer';
import { VOID_TYPE } from './void';

/**
 * The consumer whose topic an event belongs to. A void belongs to the topic of the event that it takes back: only there
 * does it find it.
 *
 * @param type the event's
 * @param voidedType of a void, `data.type`
 * @returns undefined where the type is none of those there are
 */
export function consumerOfType(type: unknown, voidedType: () => unknown): UsageConsumer | undefined {
  const routed = type === VOID_TYPE ? voidedType() : type;
  return usageConsumers.find(({ eventType }) => eventType === routed);
}
