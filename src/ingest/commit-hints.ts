import type { Consumer } from '../kafka/client';
import type { Logger } from '../lib/logger';

const COMMIT_INTERVAL_MS = 1_000;

/**
 * Tells Kafka how far a topic is applied. These offsets are never read back: they show the lag to
 * people and their tools. So nothing waits for them, and no failure matters.
 */
export interface CommitHints {
  note(partition: number, next: number): void;
  /** Commits in the background what is noted, about once a second. */
  tick(): void;
  /** Commits what is left. */
  flush(): Promise<void>;
  /** After a rebalance: the partitions may be another member's now. */
  clear(): void;
}

export function createCommitHints(consumer: Consumer, topic: string, logger: Logger): CommitHints {
  const noted = new Map<number, number>();
  let lastCommitAt = Number.NEGATIVE_INFINITY;
  let committing: Promise<void> | undefined;

  async function commit(): Promise<void> {
    if (noted.size === 0) return;
    const offsets = [...noted].map(([partition, next]) => ({ topic, partition, offset: String(next) }));
    noted.clear();
    lastCommitAt = performance.now();
    try {
      await consumer.commitOffsets(offsets);
    } catch (error) {
      logger.debug({ err: error }, 'could not commit');
    }
  }

  return {
    note: (partition, next) => void noted.set(partition, next),
    tick() {
      if (committing || performance.now() - lastCommitAt < COMMIT_INTERVAL_MS) return;
      committing = commit().finally(() => (committing = undefined));
    },
    async flush() {
      await committing;
      await commit();
    },
    clear: () => noted.clear(),
  };
}
