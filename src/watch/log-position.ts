import type { Log } from '../log';
import type { KafkaClient } from '../stream/kafka';
import { logEnds, usageTopics } from '../stream/topics';
import { readCursors } from '../totals/cursors';
import { readShardCount } from '../totals/read';
import type { Store } from '../totals/store';

export interface PartitionPosition {
  readonly topic: string;
  readonly partition: number;
  /** The offset the next record will get. */
  readonly end: number;
  /** The next offset to apply. */
  readonly cursor: number;
  /** When the cursor was last seen to move, or to have nothing left. */
  readonly progressAtMs: number;
}

/** How far the totals have followed the log. */
export interface LogPosition {
  /** When the log was looked at: with nothing behind, all that was published before is in the totals. */
  readonly atMs: number;
  readonly partitions: readonly PartitionPosition[];
  /** Offsets not applied yet, of all partitions: at least as many as events, since markers have offsets too. */
  readonly behind: number;
  /** Offsets applied a second, lately. */
  readonly perSecond: number;
  /** The same by topic. */
  readonly topics: readonly TopicPosition[];
}

export interface TopicPosition {
  readonly topic: string;
  readonly behind: number;
  readonly perSecond: number;
}

export interface LogWatch {
  /** What was seen last; undefined before the first look and while Kafka or Redis does not answer. */
  position(): LogPosition | undefined;
  /** Resolves when the first look has ended, well or not, and at the latest after `ms`. */
  firstLook(ms: number): Promise<void>;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 1_000;
/** An older look tells nothing of how fresh the totals are. */
const STALE_MS = 10_000;
const RATE_OVER_MS = 30_000;

/**
 * Looks at the log's ends and the cursors each time it is called. The rates are those since the calls of the last half
 * minute, 0 at the first.
 */
export function createLogLook(kafka: KafkaClient, store: Store, prefix: string): () => Promise<LogPosition> {
  let latest: LogPosition | undefined;
  let history: { readonly atMs: number; readonly applied: ReadonlyMap<string, number> }[] = [];
  return async () => {
    // The ends first: a cursor that then stands at one has passed all that was published before.
    const atMs = Date.now();
    const partitions = await readPartitions(kafka, store, prefix, latest);
    const applied = sumByTopic(partitions, ({ cursor }) => cursor);
    history = [...history.filter((one) => one.atMs > atMs - RATE_OVER_MS), { atMs, applied }];
    const first = history[0]!;
    const seconds = (atMs - first.atMs) / 1000;
    const perSecond = (offsets: number): number =>
      seconds > 0 ? Math.max(0, Math.round(offsets / seconds)) : 0;
    const behind = sumByTopic(partitions, behindOf);
    const moved = [...applied].map(([topic, offset]) => offset - (first.applied.get(topic) ?? offset));
    latest = {
      atMs,
      partitions,
      behind: sum([...behind.values()]),
      perSecond: perSecond(sum(moved)),
      topics: [...applied.keys()].map((topic, at) => ({
        topic,
        behind: behind.get(topic) ?? 0,
        perSecond: perSecond(moved[at] ?? 0),
      })),
    };
    return latest;
  };
}

/** Looks every second, once for all readers: Kafka is not asked by each of them. */
export function watchLog(kafka: KafkaClient, store: Store, prefix: string, log: Log): LogWatch {
  const lookAtLog = createLogLook(kafka, store, prefix);
  let latest: LogPosition | undefined;
  let failing = false;
  let stopped = false;
  let wake: () => void = () => undefined;

  const look = async (): Promise<void> => {
    try {
      latest = await lookAtLog();
      if (failing) log.info('the log can be looked at again');
      failing = false;
    } catch (error) {
      // Told once, not every second. The page says that it does not know how fresh it is.
      if (!failing) log.warn({ err: error }, 'the log cannot be looked at');
      failing = true;
      latest = undefined;
    }
  };

  const firstLook = look();
  const running = (async () => {
    await firstLook;
    while (!stopped) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_EVERY_MS);
        wake = () => (clearTimeout(timer), resolve());
      });
      if (!stopped) await look();
    }
  })();

  return {
    position: () => (latest !== undefined && Date.now() - latest.atMs < STALE_MS ? latest : undefined),
    async firstLook(ms) {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
      await Promise.race([firstLook, limit]);
      clearTimeout(timer);
    },
    async stop() {
      stopped = true;
      wake();
      await running;
    },
  };
}

async function readPartitions(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  before: LogPosition | undefined,
): Promise<PartitionPosition[]> {
  const ends = await logEnds(kafka, usageTopics(prefix));
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const cursors = await Promise.all(shards.map((shard) => readCursors(store, shard)));
  const nowMs = Date.now();
  return [...ends].flatMap(([topic, topicEnds]) =>
    topicEnds.map((end, partition) => {
      const cursor = cursors[partition]?.get(topic) ?? 0;
      const was = before?.partitions.find((one) => one.topic === topic && one.partition === partition);
      const isIdle = was === undefined || cursor !== was.cursor || was.cursor >= was.end;
      return { topic, partition, end, cursor, progressAtMs: isIdle ? nowMs : was.progressAtMs };
    }),
  );
}

/** Partitions with something left to apply whose cursor has not moved for so long. */
export function stuckPartitions(position: LogPosition, forMs: number, nowMs: number): PartitionPosition[] {
  return position.partitions.filter(
    ({ end, cursor, progressAtMs }) => cursor < end && nowMs - progressAtMs > forMs,
  );
}

/** Offsets that are not applied yet. */
export const behindOf = ({ end, cursor }: PartitionPosition): number => Math.max(0, end - cursor);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

function sumByTopic(
  partitions: readonly PartitionPosition[],
  of: (partition: PartitionPosition) => number,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const one of partitions) sums.set(one.topic, (sums.get(one.topic) ?? 0) + of(one));
  return sums;
}
