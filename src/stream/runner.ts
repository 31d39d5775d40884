import {
  KafkaJSError,
  KafkaJSNonRetriableError,
  type Batch,
  type Consumer,
  type ConsumerCrashEvent,
  type EachBatchPayload,
} from 'kafkajs';
import type { RawMessage } from '../../consumers/decode';
import type { RatedMessage } from '../../consumers/rate-message';
import { TallymanError } from '../errors';
import type { Log } from '../log';
import { applyRange, uninitialised, type ApplyTarget, type ChunkOutcome } from './apply-range';
import type { DeadLetters } from './dead-letters';
import type { KafkaClient } from './kafka';
import { parseOffset } from './offset';
import { checkCursor, decide, type ChainDecision, type ChainStop, type LogFacts } from './offset-chain';
import { firstRecordBetween } from './read-range';
import { logRanges } from './topics';

export interface RunnerOptions {
  readonly client: KafkaClient;
  /** Full name, with the prefix. */
  readonly topic: string;
  readonly groupId: string;
  readonly totals: ApplyTarget;
  readonly deadLetters: DeadLetters;
  readonly log: Log;
  /** Decodes and rates one record. Anything it throws is fatal. */
  rate(message: RawMessage): RatedMessage;
  /** Told once, of what this runner cannot recover from. It does nothing any more: the process should end. */
  onFatal(error: unknown): void;
}

export interface PartitionStatus {
  readonly partition: number;
  /** The offset to apply next; undefined until it is first read. */
  readonly cursor: number | undefined;
  /** The log's end, as of the last batch. Behind it and without progress for long, the partition is stuck. */
  readonly highWatermark: number;
  /** When the cursor last moved, or the partition was assigned or woke from having nothing to do. */
  readonly lastProgressAt: number;
}

export interface RunnerStatus {
  readonly topic: string;
  /** When the consumer last came round in its loop, busy or idle. */
  readonly lastTickAt: number;
  readonly partitions: readonly PartitionStatus[];
  /** Since the start of this runner. */
  readonly counted: number;
  readonly duplicates: number;
  readonly late: number;
  readonly rejected: number;
}

export interface Runner {
  /** Resolves when the group was joined. Faults after that go to `onFatal`. */
  start(): Promise<void>;
  /** Finishes the chunk at hand, commits, leaves the group, disconnects. May be called at any time, and again. */
  stop(): Promise<void>;
  status(): RunnerStatus;
}

/** An idle fetch returns after this long, so that a stop need not wait and the loop is seen to turn. */
const MAX_WAIT_MS = 1_000;
const COMMIT_INTERVAL_MS = 1_000;
/** Kafka may be away, or the group in disorder, for so long without a break before the runner gives up. */
const TROUBLE_LIMIT_MS = 300_000;
/** Trouble that comes back sooner than this counts as the same. */
const TROUBLE_BREAK_MS = 30_000;

type FetchedBatch = Batch & { readonly fetchedOffset: string };

interface PartitionState {
  cursor: number | undefined;
  seeks: number;
  highWatermark: number;
  lastProgressAt: number;
}

/** Consumes one topic into the totals, as one member of its group. */
export function createRunner(options: RunnerOptions): Runner {
  return new KafkaRunner(options);
}

class KafkaRunner implements Runner {
  private readonly consumer: Consumer;
  private readonly log: Log;
  /** Made anew on every assignment: what was known of a partition before may be outdated. */
  private partitions = new Map<number, PartitionState>();
  private readonly counts = { counted: 0, duplicates: 0, late: 0, rejected: 0 };
  private lastTickAt = Date.now();
  /** The highest cursor that was seen, over all assignments. */
  private readonly applied = new Map<number, number>();
  private readonly uncommitted = new Map<number, number>();
  private lastCommitAt = 0;
  private committing: Promise<void> | undefined;
  private busy: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;
  private hasFailed = false;
  private trouble = { since: 0, last: 0 };

  constructor(private readonly options: RunnerOptions) {
    const { client, topic, groupId } = options;
    this.log = options.log.child({ topic });
    this.consumer = client.kafkajs.consumer({
      groupId,
      maxWaitTimeInMs: MAX_WAIT_MS,
      // After a crash the partitions wait so long for their next owner. A Redis command times out sooner (totals/store.ts):
      // kafkajs sends no heartbeat while a handler waits.
      sessionTimeout: 10_000,
      rebalanceTimeout: 30_000,
      heartbeatInterval: 2_000,
      allowAutoTopicCreation: false,
      retry: { restartOnFailure: (error) => Promise.resolve(this.mayRestart(error)) },
    });
    const { GROUP_JOIN, FETCH, CRASH } = this.consumer.events;
    this.consumer.on(GROUP_JOIN, ({ payload }) => this.onAssigned(payload.memberAssignment[topic] ?? []));
    this.consumer.on(FETCH, () => {
      this.lastTickAt = Date.now();
      this.commitInBackground();
    });
    this.consumer.on(CRASH, (event) => this.onCrash(event));
  }

  async start(): Promise<void> {
    await this.consumer.connect();
    await this.consumer.subscribe({ topic: this.options.topic, fromBeginning: true });
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => (this.busy = this.onBatch(payload)),
    });
  }

  stop(): Promise<void> {
    return (this.stopping ??= this.stopOnce());
  }

  private async stopOnce(): Promise<void> {
    await this.busy?.catch(() => undefined);
    await this.committing;
    await this.commit();
    await this.consumer.disconnect();
  }

  status(): RunnerStatus {
    return {
      topic: this.options.topic,
      lastTickAt: this.lastTickAt,
      partitions: [...this.partitions].map(([partition, { cursor, highWatermark, lastProgressAt }]) => ({
        ...{ partition, cursor, highWatermark, lastProgressAt },
      })),
      ...this.counts,
    };
  }

  /** Only kafkajs's own errors reach kafkajs: it retries what it does not know, and dies silently of a TypeError. */
  private async onBatch(payload: EachBatchPayload): Promise<void> {
    if (this.stopping || this.hasFailed) return;
    try {
      await this.processBatch(payload);
    } catch (error) {
      if (error instanceof KafkaJSError) throw error;
      this.fail(error);
      throw new KafkaJSNonRetriableError(error instanceof Error ? error : String(error));
    }
  }

  private async processBatch(payload: EachBatchPayload): Promise<void> {
    const batch = payload.batch as FetchedBatch;
    const { partition } = batch;
    const state = this.partitions.get(partition) ?? this.newState(partition);
    this.wakeUp(state, parseOffset(batch.highWatermark));
    state.cursor ??= await this.readCursor(partition);

    const range = {
      fetchedOffset: parseOffset(batch.fetchedOffset),
      lastOffset: parseOffset(batch.lastOffset()),
    };
    const question = { cursor: state.cursor, batch: range, seeks: state.seeks };
    let decision = decide(question);
    if (decision.do === 'ask') {
      // Another owner of the partition may have moved on meanwhile.
      const cursor = await this.readCursor(partition);
      if (cursor !== state.cursor) decision = { do: 'seek', to: cursor };
      else
        decision = decide({
          ...question,
          log: await this.askLog(partition, state.cursor, range.fetchedOffset),
        });
      this.log.warn({ partition, ...question, decision }, 'read elsewhere than at the cursor');
    }
    await this.carryOut(decision, payload, state);
  }

  private async carryOut(
    decision: ChainDecision,
    payload: EachBatchPayload,
    state: PartitionState,
  ): Promise<void> {
    const { partition, messages } = payload.batch;
    switch (decision.do) {
      case 'apply': {
        const work = { ...this.options, partition };
        const gapAt = await applyRange(work, messages, decision, (outcome) =>
          this.onChunk(outcome, payload, state),
        );
        if (gapAt !== undefined) {
          await this.noteCursor(partition, gapAt);
          this.seek(partition, state, gapAt);
        }
        return;
      }
      case 'seek':
        this.seek(partition, state, decision.to);
        return;
      case 'stop':
        throw this.stopError(partition, decision);
      case 'ask':
        throw new TallymanError('BAD_DECISION', 'The log was asked already', { partition });
    }
  }

  private async onChunk(
    outcome: ChunkOutcome,
    payload: EachBatchPayload,
    state: PartitionState,
  ): Promise<boolean> {
    const { partition } = payload.batch;
    state.cursor = outcome.next;
    state.seeks = 0;
    state.lastProgressAt = this.lastTickAt = Date.now();
    this.counts.counted += outcome.counted;
    this.counts.duplicates += outcome.duplicates;
    this.counts.late += outcome.late;
    this.counts.rejected += outcome.rejected;
    payload.resolveOffset(String(outcome.next - 1));
    this.applied.set(partition, outcome.next);
    this.uncommitted.set(partition, outcome.next);
    this.commitInBackground();
    await payload.heartbeat();
    return payload.isRunning() && !payload.isStale() && !this.stopping;
  }

  private seek(partition: number, state: PartitionState, to: number): void {
    state.cursor = to;
    state.seeks += 1;
    this.consumer.seek({ topic: this.options.topic, partition, offset: String(to) });
  }

  private async askLog(partition: number, cursor: number, fetchedOffset: number): Promise<LogFacts> {
    const { client, topic } = this.options;
    const range = (await logRanges(client, [topic])).get(topic)?.[partition];
    if (!range) throw new TallymanError('NO_PARTITION', `${topic} has no partition ${partition}`);
    if (cursor >= fetchedOffset || checkCursor(cursor, range)) return range;
    const firstUnapplied = await firstRecordBetween(client, {
      topic,
      partition,
      from: cursor,
      to: fetchedOffset,
    });
    return { ...range, ...(firstUnapplied !== undefined && { firstUnapplied }) };
  }

  /** Called synchronously by kafkajs, before it fetches for the new assignment. */
  private onAssigned(partitions: readonly number[]): void {
    this.log.info({ partitions }, 'assigned');
    this.partitions = new Map();
    this.uncommitted.clear();
    for (const partition of partitions) this.newState(partition);
    this.checkAssigned(partitions).catch((error: unknown) => {
      // Kafka's own faults are met again, and ridden out, by the consumer.
      if (error instanceof KafkaJSError)
        this.log.warn({ err: error }, 'could not compare the cursors with the log');
      else this.fail(error);
    });
  }

  /** A log that was cut or made anew, and has nothing to fetch, would never show up in a batch. */
  private async checkAssigned(partitions: readonly number[]): Promise<void> {
    const { client, topic } = this.options;
    const states = this.partitions;
    const cursors = new Map<number, number>();
    for (const partition of partitions) {
      const cursor = await this.readCursor(partition);
      cursors.set(partition, cursor);
      const state = states.get(partition);
      if (state) state.cursor ??= cursor;
    }
    const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
    for (const [partition, cursor] of cursors) {
      const range = ranges[partition];
      const state = states.get(partition);
      if (!range || !state) continue;
      state.highWatermark = Math.max(state.highWatermark, range.end);
      const stop = checkCursor(cursor, range);
      // Events may have been applied, and then deleted, since the cursor was read.
      if (stop && checkCursor(await this.readCursor(partition), range)) {
        throw this.stopError(partition, stop);
      }
    }
  }

  private async readCursor(partition: number): Promise<number> {
    const { topic, totals } = this.options;
    const cursor = await totals.readCursor(partition, topic);
    if (cursor === undefined) throw uninitialised(topic, partition);
    await this.noteCursor(partition, cursor);
    return cursor;
  }

  /** Totals that went back lost their tail. What the ledger knows is put back before the log is read again from there. */
  private async noteCursor(partition: number, cursor: number): Promise<void> {
    const applied = this.applied.get(partition) ?? cursor;
    this.applied.set(partition, cursor);
    if (cursor >= applied) return;
    this.log.warn(
      { partition, cursor, applied },
      'the totals stand before what was applied: reading it again',
    );
    await this.options.totals.restore();
  }

  private newState(partition: number): PartitionState {
    const state = { cursor: undefined, seeks: 0, highWatermark: 0, lastProgressAt: Date.now() };
    this.partitions.set(partition, state);
    return state;
  }

  private wakeUp(state: PartitionState, highWatermark: number): void {
    if (state.cursor !== undefined && state.cursor >= state.highWatermark) state.lastProgressAt = Date.now();
    state.highWatermark = highWatermark;
  }

  private stopError(partition: number, { code, message }: ChainStop): TallymanError {
    const { topic } = this.options;
    return new TallymanError(code, `${topic} partition ${partition}: ${message}`, { topic, partition });
  }

  /** The committed offset is a hint for people and tools: no error of it matters, and nothing waits for it. */
  private commitInBackground(): void {
    if (this.committing || this.stopping || Date.now() - this.lastCommitAt < COMMIT_INTERVAL_MS) return;
    this.committing = this.commit().finally(() => (this.committing = undefined));
  }

  private async commit(): Promise<void> {
    if (this.uncommitted.size === 0) return;
    const { topic } = this.options;
    const offsets = [...this.uncommitted].map(([partition, next]) => ({
      topic,
      partition,
      offset: String(next),
    }));
    this.uncommitted.clear();
    this.lastCommitAt = Date.now();
    try {
      await this.consumer.commitOffsets(offsets);
    } catch (error) {
      this.log.debug({ err: error }, 'could not commit');
    }
  }

  /** kafkajs asks when a fault has outlasted its own retries. A lost broker is waited for, but not for ever. */
  private mayRestart(error: Error): boolean {
    if (this.stopping || this.hasFailed) return false;
    const now = Date.now();
    if (now - this.trouble.last > TROUBLE_BREAK_MS) this.trouble.since = now;
    this.trouble.last = now;
    const isWorthIt = now - this.trouble.since < TROUBLE_LIMIT_MS;
    this.log.warn({ err: error, isWorthIt }, 'the consumer broke down and starts again');
    return isWorthIt;
  }

  private onCrash({ payload: { error, restart } }: ConsumerCrashEvent): void {
    if (restart) return;
    // kafkajs wraps what it does not retry; the cause says more.
    const { cause } = error as { cause?: unknown };
    this.fail(cause instanceof TallymanError ? cause : error);
  }

  private fail(error: unknown): void {
    if (this.hasFailed || this.stopping) return;
    this.hasFailed = true;
    this.log.error({ err: error }, 'the consumer cannot go on');
    this.options.onFatal(error);
  }
}
