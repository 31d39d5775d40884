import type { Consumer } from '../kafka/client';
import type { Logger } from '../lib/logger';

const COMMIT_INTERVAL_MS = 1_000;

/**
 * Commits to Kafka how far a topic is applied. People and tools see the lag by these offsets, and
 * nothing reads them back. So nothing waits for a commit, and its failure does not matter.
 */
export interface CommitHints {
  note(partition: number, next: number): void;
  /** Commits in the background, about once per second. */
  tick(): void;
  flush(): Promise<void>;
  /** Called after a rebalance, when the partitions may belong to another member. */
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
