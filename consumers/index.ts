import { agentConsumer } from './agent';
import { inferenceConsumer } from './inference';
import { sessionConsumer } from './session';
import { transferConsumer } from './transfer';
import type { UsageConsumer } from './usage-consumer';

/** Every raw topic's consumer. */
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
