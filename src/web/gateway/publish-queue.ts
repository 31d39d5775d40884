import type { Publisher, PublishRecord } from '../../kafka/producer';

/** One record and its topic. */
export interface QueuedRecord extends PublishRecord {
  readonly topic: string;
}

export type QueueOutcome =
  /** Every in-sync replica has the records. */
  | 'published'
  /** Nothing was accepted, because too much is waiting already. */
  | 'full'
  /**
   * Kafka did not acknowledge. Some of the records may be in the log, and all have to be sent
   * again.
   */
  | 'kafka_unavailable';

/** How many bytes may wait for Kafka: some six seconds at 20,000 events per second. */
const WAITING_BYTES_MAX = 32 * 1_024 * 1_024;
/** Waiting requests are published together, at most this many records at a time. */
const RECORDS_AT_ONCE = 5_000;
/** While one batch is on its way, the next ones are collected. Two batches keep Kafka busy. */
const BATCHES_AT_ONCE = 2;

interface Waiting {
  readonly records: readonly QueuedRecord[];
  readonly bytes: number;
  readonly resolve: (outcome: QueueOutcome) => void;
}

/**
 * Publishes the records of many requests together, and reports to each whether its own were
 * acknowledged.
 */
export interface PublishQueue {
  publish(records: readonly QueuedRecord[]): Promise<QueueOutcome>;
  readonly waitingBytes: number;
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>;
}

export function createPublishQueue(publisher: Publisher, onFailure: (error: unknown) => void): PublishQueue {
  const waiting: Waiting[] = [];
  let waitingBytes = 0;
  let underWay = 0;
  let onDrained: (() => void)[] = [];

  const send = async (taken: readonly Waiting[]): Promise<void> => {
    underWay += 1;
    let outcome: QueueOutcome = 'published';
    try {
      const byTopic = new Map<string, PublishRecord[]>();
      for (const { records } of taken) {
        for (const record of records) {
          const list = byTopic.get(record.topic);
          if (list) list.push(record);
          else byTopic.set(record.topic, [record]);
        }
      }
      await Promise.all([...byTopic].map(([topic, records]) => publisher.publish(topic, records)));
    } catch (error) {
      outcome = 'kafka_unavailable';
      onFailure(error);
    }
    underWay -= 1;
    for (const { bytes, resolve } of taken) {
      waitingBytes -= bytes;
      resolve(outcome);
    }
    pump();
  };

  const pump = (): void => {
    while (waiting.length > 0 && underWay < BATCHES_AT_ONCE) {
      let count = 0;
      let taken = 0;
      while (
        taken < waiting.length &&
        (taken === 0 || count + waiting[taken]!.records.length <= RECORDS_AT_ONCE)
      ) {
        count += waiting[taken]!.records.length;
        taken += 1;
      }
      void send(waiting.splice(0, taken));
    }
    if (waiting.length > 0 || underWay > 0) return;
    for (const resolve of onDrained) resolve();
    onDrained = [];
  };

  return {
    publish(records) {
      const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      if (waitingBytes > 0 && waitingBytes + bytes > WAITING_BYTES_MAX) return Promise.resolve('full');
      return new Promise((resolve) => {
        waitingBytes += bytes;
        waiting.push({ records, bytes, resolve });
        // Publishing starts in the next turn of the event loop, so that other requests can join.
        setImmediate(pump);
      });
    },
    get waitingBytes() {
      return waitingBytes;
    },
    drained: () =>
      waitingBytes === 0 ? Promise.resolve() : new Promise((resolve) => onDrained.push(resolve)),
  };
}
