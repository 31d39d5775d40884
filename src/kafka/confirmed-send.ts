import { Partitioners, type ICustomPartitioner, type Message, type Producer } from 'kafkajs';
import { writeCompression } from './wire/codecs';

/** By message, as it was first chosen. */
const partitions = new WeakMap<Message, number>();

/**
 * The partitions that Kafka's own clients choose, once per message. kafkajs chooses at each
 * attempt, and takes turns for messages without a key, so that a second attempt would mix those
 * that are written with those that are not.
 */
export const onePartitionEach: ICustomPartitioner = () => {
  const choose = Partitioners.DefaultPartitioner();
  return (choice) => {
    const partition = partitions.get(choice.message) ?? choose(choice);
    partitions.set(choice.message, partition);
    return partition;
  };
};

/**
 * Sends messages, and resolves when every in-sync replica of their partitions has all of them.
 *
 * kafkajs alone may resolve without that. If a leader moves while several brokers are asked, it
 * asks again, but not those that have answered. What the new leader is to write is then never sent
 * if that broker had answered for other partitions. The answers name the partitions that are
 * written, so the others are sent again.
 *
 * @param producer made with `onePartitionEach`
 */
export async function sendAll(
  producer: Pick<Producer, 'send'>,
  topic: string,
  messages: readonly Message[],
): Promise<void> {
  let left = [...messages];
  while (left.length > 0) {
    const answers = await producer.send({ topic, acks: -1, compression: writeCompression(), messages: left });
    const written = new Set(answers.map(({ partition }) => partition));
    left = left.filter((message) => !written.has(partitions.get(message)!));
  }
}
