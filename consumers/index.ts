import { agentConsumer } from './agent';
import { inferenceConsumer } from './inference';
import { sessionConsumer } from './session';
import { transferConsumer } from './transfer';
import { describeValue } from '../src/lib/text/describe-value';
import type { UsageConsumer } from './usage-consumer';
import { VOID_TYPE } from './void';

export const usageConsumers: readonly UsageConsumer[] = [
  sessionConsumer,
  transferConsumer,
  agentConsumer,
  inferenceConsumer,
];

export const consumerNames: readonly string[] = usageConsumers.map(({ name }) => name);

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
 * @returns what is wrong with the type if no topic takes it
 */
export function consumerOfType(type: unknown, voidedType: () => unknown): UsageConsumer | string {
  const isVoid = type === VOID_TYPE;
  const routed = isVoid ? voidedType() : type;
  const found = usageConsumers.find(({ eventType }) => eventType === routed);
  if (found !== undefined) return found;
  const types = usageConsumers.map(({ eventType }) => eventType).join(', ');
  return `${isVoid ? 'data.type' : 'type'} is ${describeValue(routed)} and must be one of ${types}`;
}
