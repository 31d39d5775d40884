import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import type { Acknowledged, UsageRecord, UsageSource } from './usage';

const BATCH = 40;
const BATCH_EVERY_MS = 200;

/**
 * Publishes usage all the time, whatever happens to Kafka: what was not acknowledged is sent again,
 * in its order.
 */
export class Producing {
  private isWanted = true;
  private isHeld = false;
  private isSending = false;
  private readonly ended: Promise<void>;
  private producer: Producer | undefined;

  constructor(
    private readonly brokers: string,
    private readonly prefix: string,
    private readonly source: UsageSource,
    private readonly acknowledged: Acknowledged,
  ) {
    this.ended = this.run();
  }

  /** Returns when nothing is on its way; nothing is sent before `release`. */
  async hold(): Promise<void> {
    this.isHeld = true;
    while (this.isSending) await delay(10);
  }

  release(): void {
    this.isHeld = false;
  }

  /** Partitions were added: a producer must know of all of them before it chooses one. */
  async reconnect(): Promise<void> {
    await this.producer?.disconnect().catch(() => undefined);
    this.producer = undefined;
  }

  async stop(): Promise<void> {
    this.isWanted = false;
    await this.ended;
    await this.reconnect();
  }

  private async run(): Promise<void> {
    while (this.isWanted) {
      if (this.isHeld) {
        await delay(10);
        continue;
      }
      this.isSending = true;
      const records = this.source.take(BATCH);
      await this.sendAll(records);
      this.acknowledged.add(records);
      this.isSending = false;
      await delay(BATCH_EVERY_MS);
    }
  }

  private async sendAll(records: readonly UsageRecord[]): Promise<void> {
    const byTopic = new Map<string, UsageRecord[]>();
    for (const record of records) byTopic.set(record.topic, [...(byTopic.get(record.topic) ?? []), record]);
    for (const [topic, ofTopic] of byTopic) {
      for (;;) {
        try {
          this.producer ??= await connect(this.brokers);
          await this.producer.send({
            topic: `${this.prefix}.${topic}`,
            acks: -1,
            messages: ofTopic.map(({ project, value }) => ({ key: project, value })),
          });
          break;
        } catch {
          // Nobody knows what of it was written. Sent again whole, each first keeps its place
          // before its repeats.
          await this.reconnect();
          await delay(200);
        }
      }
    }
  }
}

async function connect(brokers: string): Promise<Producer> {
  const kafka = new Kafka({
    ...{ brokers: brokers.split(','), clientId: 'chaos', logLevel: logLevel.NOTHING },
    ...{ connectionTimeout: 2_000, requestTimeout: 5_000, retry: { retries: 0 } },
  });
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  return producer;
}
