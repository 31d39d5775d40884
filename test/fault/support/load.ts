import { setTimeout as delay } from 'node:timers/promises';
import { createWorkload, takeByTopic, type WorkloadOptions } from '../../../src/oracle/workload';
import { openKafka } from '../../../src/kafka/client';
import { createPublisher } from '../../../src/kafka/producer';
import { eventually } from '../../kit/eventually';

/** The month of the load: Kafka would remove the records of an older one. */
export const MONTH = monthsBack(1);
export const MONTH_BEFORE = monthsBack(2);

export const PROJECTS = Array.from({ length: 20 }, (_, number) => `project-${number}`);

export interface LoadOptions extends Partial<WorkloadOptions> {
  readonly seed: number;
  readonly events: number;
  /** As fast as it goes by default. */
  readonly perSecond?: number;
  /** Publishes a batch again until it is taken, so that parts of it may be in the log twice. */
  readonly isPatient?: boolean;
}

/** A publisher at work in the background. */
export interface Load {
  /** Records that Kafka has acknowledged. */
  readonly published: number;
  /** Why it ended early. */
  readonly failure: unknown;
  /** Resolves when all is published. Rejects when it cannot be. */
  readonly done: Promise<void>;
  /** Ends it early; `published` is final then. */
  stop(): Promise<void>;
  /** Waits until this many are published, or all. */
  reached(records: number): Promise<void>;
}

const BATCH_RECORDS = 2_000;
const PATIENCE = { timeoutMs: 180_000, what: 'a batch is taken' };

/**
 * Publishes a workload of all four kinds, with duplicates, late, disordered and bad events,
 * straight to Kafka.
 */
export function startLoad(brokers: string, prefix: string, options: LoadOptions): Load {
  const { events, perSecond } = options;
  let published = 0;
  let isStopped = false;

  const publish = async (): Promise<void> => {
    const workload = createWorkload({ month: MONTH, projects: PROJECTS, malformed: 0.002, ...options });
    const client = openKafka({ brokers: brokers.split(','), clientId: 'load' });
    const publisher = await createPublisher(client);
    const startedAt = Date.now();
    try {
      while (published < events && !isStopped) {
        const size = Math.min(BATCH_RECORDS, events - published);
        for (const [topic, records] of takeByTopic(workload, size)) {
          const publishing = (): Promise<void> => publisher.publish(`${prefix}.${topic}`, records);
          await (options.isPatient
            ? eventually(() => publishing().then(() => true), PATIENCE)
            : publishing());
          published += records.length;
        }
        const early = perSecond ? startedAt + (published * 1_000) / perSecond - Date.now() : 0;
        if (early > 0) await delay(early);
      }
    } finally {
      await publisher.close();
      await client.close();
    }
  };
  const done = publish();
  let failure: unknown;
  done.catch((error: unknown) => (failure = error)); // Whoever waits for it sees the error.
  return {
    get published() {
      return published;
    },
    get failure() {
      return failure;
    },
    done,
    stop: () => {
      isStopped = true;
      return done;
    },
    reached: async (records) => {
      const enough = eventually(() => published >= records, {
        timeoutMs: 600_000,
        what: `${records} published`,
      });
      await Promise.race([enough, done]);
    },
  };
}

function monthsBack(months: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
}
