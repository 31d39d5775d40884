import { agentConsumer } from './agent';
import { inferenceConsumer } from './inference';
import { sessionConsumer } from './session';
import { transferConsumer } from './transfer';
import type { UsageConsumer } from './usage-consumer';
import { VOID_TYPE } from './void';

export const usageConsumers: readonly UsageConsumer[] = [
  sessionConsumer,
  transferConsumer,
  agentConsumer,
  inferenceConsumer,
];

export const consumerNames: readonly string[] = usageConsumers.map(({ name }) => name);

/** The types of usage events, for messages. */
export const usageEventTypes = usageConsumers.map(({ eventType }) => eventType).join(', ');

export function consumerNamed(name: string): UsageConsumer {
  const found = usageConsumers.find((consumer) => consumer.name === name);
  if (!found) throw new RangeError(`there is no consumer "${name}"`);
  return found;
}

/**
 * The consumer of the topic that an event belongs to. A void belongs to the topic of the event that
 * it takes back, because only there is it in order with that event.
 *
 * @param voidedType `data.type` of a void
 * @returns undefined if no topic takes the type
 */
export function consumerOfType(type: unknown, voidedType: () => unknown): UsageConsumer | undefined {
  const routed = type === VOID_TYPE ? voidedType() : type;
  return usageConsumers.find(({ eventType }) => eventType === routed);
}
