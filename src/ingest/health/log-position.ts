import type { Logger } from '../../lib/logger';
import { polled, repeat, within } from '../../lib/process/poller';
import type { KafkaClient } from '../../kafka/client';
import { logEnds, stableEnds } from '../../kafka/topics/topics';
import { readPartitionCursors } from '../../redis/cursors';
import { findShardCount } from '../../redis/usage/read-usage';
import type { Store } from '../../redis/store';

export interface PartitionPosition {
  readonly topic: string;
  readonly partition: number;
  /** The offset that the next record will get. */
  readonly end: number;
  /** Consumers read up to this offset, which is below the end while a transaction is open. */
  readonly stable: number;
  /** The next offset to apply; undefined if Redis holds none. */
  readonly cursor: number | undefined;
  /**
   * How long the cursor has not moved with something left to apply. It is 0 while the cursor moves
   * or nothing is left.
   */
  readonly stillMs: number;
  /** Whether a consumer is assigned to it; undefined if that was not requested, or is unknown. */
  readonly isRead?: boolean | undefined;
}

export interface LogPosition {
  /** When this was read. If nothing is behind, everything published before is in the totals. */
  readonly atMs: number;
  readonly partitions: readonly PartitionPosition[];
  /**
   * Offsets of all partitions that are not applied yet. Markers have offsets too, so there may be
   * fewer events than that.
   */
  readonly behind: number;
  /** Offsets applied per second, recently. */
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
  /**
   * The latest position. It is undefined before the first look, and while Kafka or Redis does not
   * answer.
   */
  position(): LogPosition | undefined;
  problem(): string | undefined;
  /** Resolves when the first look has ended, successfully or not, and after `ms` at the latest. */
  firstLook(ms: number): Promise<void>;
  /** Discards a look that is under way. */
  stop(): void;
}

export interface LogSources {
  readonly kafka: KafkaClient;
  readonly store: Store;
  /** Full names. All their partitions are watched, whoever reads them. */
  readonly topics: readonly string[];
  /**
   * topic -> the partitions that some consumer is assigned to. It is only called while a cursor
   * does not move.
   */
  readonly readers?: () => Promise<ReadonlyMap<string, ReadonlySet<number>>>;
}

const LOOK_EVERY_MS = 1_000;
/** After this long, a look no longer shows how fresh the totals are. */
const STALE_MS = 10_000;
const RATE_OVER_MS = 30_000;
/** A cursor that has not moved for less than this is between two chunks, or two owners. */
const ASK_READERS_AFTER_MS = 3_000;

/**
 * Reads the ends of the log and the cursors at each call. Rates are over the calls of the last half
 * minute, and 0 at the first call.
 */
export function createLogLook(sources: LogSources): () => Promise<LogPosition> {
  const standing = new Map<string, Standing>();
  let history: { readonly takenAt: number; readonly applied: ReadonlyMap<string, number> }[] = [];
  return async () => {
    // The ends are read first: a cursor that then reaches one has passed everything published
    // before.
    const atMs = Date.now();
    const takenAt = performance.now();
    const partitions = await readPartitions(sources, standing);
    const applied = sumByTopic(partitions, ({ cursor }) => cursor ?? 0);
    history = [...history.filter((one) => one.takenAt > takenAt - RATE_OVER_MS), { takenAt, applied }];
    const first = history[0]!;
    const seconds = (takenAt - first.takenAt) / 1000;
    const perSecond = (offsets: number): number =>
      seconds > 0 ? Math.max(0, Math.round(offsets / seconds)) : 0;
    const behind = sumByTopic(partitions, behindOf);
    const moved = [...applied].map(([topic, offset]) => offset - (first.applied.get(topic) ?? offset));
    return {
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
  };
}

/** Looks once per second for all readers, so that they do not each send requests to Kafka. */
export function watchLog(sources: LogSources, logger: Logger): LogWatch {
  const look = polled(0, createLogLook(sources));
  const looks = repeat({
    everyMs: LOOK_EVERY_MS,
    turn: () => look.refresh(),
    // Logged once, not every second. The page shows that it does not know how fresh it is.
    onFailure: (error, isFirst) =>
      isFirst && logger.warn({ err: error }, 'the position of the log cannot be read'),
    onRecovery: () => logger.info('the position of the log can be read again'),
  });
  const firstLook = looks.now();
  const position = (): LogPosition | undefined => look.latest(STALE_MS);
  return {
    position,
    problem() {
      if (position() !== undefined) return undefined;
      return look.failure()?.message ?? `no answer for ${Math.floor(look.ageMs() / 1000)} s`;
    },
    firstLook: (ms) => within(ms, firstLook),
    stop: () => void looks.stop(),
  };
}

/** A partition's cursor at the last look, and how long it has been there, by a monotonic clock. */
interface Standing {
  readonly cursor: number | undefined;
  readonly since: number;
}

async function readPartitions(
  { kafka, store, topics, readers }: LogSources,
  standing: Map<string, Standing>,
): Promise<PartitionPosition[]> {
  const ends = await logEnds(kafka, topics);
  const most = Math.max(0, ...[...ends.values()].map((all) => all.length));
  // There are fewer shards than partitions if partitions were added.
  const cursors = await readPartitionCursors(store, (await findShardCount(store)) ?? most, ends);
  const now = performance.now();
  const found = [...ends].flatMap(([topic, topicEnds]) =>
    topicEnds.map((end, partition): PartitionPosition => {
      const cursor = cursors.get(topic)?.[partition];
      const key = `${topic}/${partition}`;
      const was = standing.get(key);
      const isStanding = was !== undefined && cursor === was.cursor && (cursor ?? 0) !== end;
      const since = isStanding ? was.since : now;
      standing.set(key, { cursor, since });
      return { topic, partition, end, stable: end, cursor, stillMs: now - since };
    }),
  );
  const longest = Math.max(0, ...found.map(({ stillMs }) => stillMs));
  if (longest === 0) return found;
  const stable = await stableEnds(kafka, topics);
  const read = longest < ASK_READERS_AFTER_MS ? undefined : await readers?.().catch(() => undefined);
  return found.map((one) => ({
    ...one,
    // Read after the end, so it may be beyond it.
    stable: Math.min(one.end, stable.get(one.topic)?.[one.partition] ?? one.end),
    isRead: read && (read.get(one.topic)?.has(one.partition) ?? false),
  }));
}

/** Partitions that have something left to apply, and whose cursor has not moved for this long. */
export function stuckPartitions(position: LogPosition, forMs: number): PartitionPosition[] {
  return position.partitions.filter(({ end, cursor, stillMs }) => (cursor ?? 0) < end && stillMs > forMs);
}

export const behindOf = ({ end, cursor }: PartitionPosition): number => Math.max(0, end - (cursor ?? 0));

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

function sumByTopic(
  partitions: readonly PartitionPosition[],
  of: (partition: PartitionPosition) => number,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const one of partitions) sums.set(one.topic, (sums.get(one.topic) ?? 0) + of(one));
  return sums;
}
