import type { Batch, EachBatchPayload } from '../kafka/client';
import { TallymanError } from '../lib/errors';
import type { Logger } from '../lib/logger';
import { PublishOnce } from '../dead-letters/publish-once';
import type { DeadLetters, RejectedRecord } from '../dead-letters/dead-letter';
import { applyRange, type RangeWork } from './apply-range';
import type { ChunkOutcome } from './count-chunk';
import type { PackedBatch } from '../kafka/wire/fetch-response';
import type { KafkaClient } from '../kafka/client';
import { parseOffset } from '../kafka/topics/offset';
import { checkCursor, decide, review, type ChainDecision, type LogFacts } from './resume-offset';
import { checkHeld, findDiverged, type Counted } from './guards/check-epochs';
import { firstRecordBetween } from '../kafka/read-range';
import { chainStopped, uninitialised } from './stop-errors';
import { logRanges } from '../kafka/topics/topics';
import { mayPass } from '../redis/redis-errors';

export interface PartitionStatus {
  readonly partition: number;
  /** The offset to apply next; undefined until it is first read. */
  readonly cursor: number | undefined;
}

/** The same for every partition of a topic. `topic` is the full name, with the prefix. */
export interface TopicWork extends Pick<RangeWork, 'topic' | 'totals' | 'rate' | 'chunkLimits'> {
  readonly client: KafkaClient;
  readonly deadLetters: DeadLetters;
}

export interface PartitionsOptions extends TopicWork, Pick<RangeWork, 'onCounted'> {
  readonly logger: Logger;
  /**
   * Makes sure that what was fetched is from the topic that the cursors belong to. See TopicGuard.
   */
  checkTopic(): Promise<void>;
  /** Makes the consumer fetch a partition from this offset next. */
  seek(partition: number, offset: number): void;
  onChunk(partition: number, outcome: ChunkOutcome): void;
  onDeadLetters(letters: readonly RejectedRecord[]): void;
}

interface State {
  /** Undefined until it is read from the totals, which happens after every assignment. */
  cursor: number | undefined;
  /** How often the consumer was sent to the cursor since the last batch that began there. */
  seeks: number;
  readonly deadLetters: PublishOnce;
}

/** kafkajs has this field at run time, but not in its types. */
type FetchedBatch = Batch & { readonly fetchedOffset: string };

/**
 * The partitions that are assigned to a consumer. Takes their batches through the offset chain into
 * the totals.
 */
export class Partitions {
  private states = new Map<number, State>();
  /** The latest cursors, across all assignments. */
  private readonly lastCursors = new Map<number, number>();

  constructor(private readonly options: PartitionsOptions) {}

  /**
   * Forgets the state of the partitions, because another member may have moved on, or the totals
   * may have gone back.
   */
  assign(partitions: readonly number[]): void {
    this.states = new Map();
    for (const partition of partitions) this.stateOf(partition);
    this.options.totals.assign(this.options.topic, partitions);
  }

  /** Reads the cursor again before the next batch, because it is unknown what was applied. */
  forget(partition: number): void {
    this.stateOf(partition).cursor = undefined;
  }

  status(): PartitionStatus[] {
    return [...this.states].map(([partition, { cursor }]) => ({ partition, cursor }));
  }

  /**
   * Handles a batch as far as the offset chain allows: applies it, or sends the consumer to another
   * offset.
   *
   * @param mayGoOn called between chunks
   * @throws TallymanError the codes of resume-offset.ts and apply-range.ts
   */
  async process(payload: EachBatchPayload, mayGoOn: () => boolean): Promise<void> {
    const batch = payload.batch as FetchedBatch;
    const { partition } = batch;
    const state = this.stateOf(partition);
    state.cursor ??= await this.readCursor(partition);

    const decision = await this.decideOn(partition, state, {
      fetchedOffset: parseOffset(batch.fetchedOffset),
      lastOffset: parseOffset(batch.lastOffset()),
    });
    switch (decision.do) {
      case 'seek':
        this.seek(partition, state, decision.to);
        return;
      case 'stop':
        throw chainStopped(this.options.topic, partition, decision);
      case 'apply': {
        // The seek was heeded. A partition that waits here is sent to its cursor again and again.
        if (parseOffset(batch.fetchedOffset) === decision.from) state.seeks = 0;
        await this.options.checkTopic();
        const onChunk = async (outcome: ChunkOutcome): Promise<boolean> => {
          this.noteChunk(partition, state, outcome);
          payload.resolveOffset(String(outcome.next - 1));
          await payload.heartbeat();
          return payload.isRunning() && !payload.isStale() && mayGoOn();
        };
        // Our own decoder of fetch responses puts these in the place of kafkajs's records.
        const packed = batch.messages as unknown as PackedBatch[];
        const { client, topic } = this.options;
        const work = {
          ...{ ...this.options, partition },
          checkHeld: (counted: Counted, fetched: number | undefined) =>
            checkHeld(client, topic, counted, fetched),
          refuse: (rejected: readonly RejectedRecord[], epoch: number | undefined) =>
            state.deadLetters.publish(rejected, epoch),
        };
        const gapAt = await applyRange(work, packed, decision, onChunk);
        if (gapAt === undefined) return;
        await this.noteCursor(partition, gapAt);
        this.seek(partition, state, gapAt);
      }
    }
  }

  /**
   * Compares the partitions with their logs and the totals' cursors, even if there is nothing to
   * fetch.
   *
   * @throws TallymanError the codes of resume-offset.ts, `UNINITIALISED`
   */
  async review(): Promise<void> {
    const { client, topic } = this.options;
    const reviewed = [...this.states].map(([partition, state]) => ({
      partition,
      state,
      known: state.cursor,
    }));
    const cursors = new Map<number, number>();
    for (const { partition } of reviewed) {
      try {
        cursors.set(partition, await this.readCursor(partition));
      } catch (error) {
        // Partitions on other nodes of a cluster are reviewed all the same.
        if (!mayPass(error)) throw error;
      }
    }
    const counted = await this.readCounted(cursors);
    const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
    const within = counted.filter(({ partition, cursor }) => cursor <= (ranges[partition]?.end ?? 0));
    const [diverged] = await findDiverged(client, topic, within);
    await this.options.checkTopic();
    for (const { partition, state, known } of reviewed) {
      const cursor = cursors.get(partition);
      const range = ranges[partition];
      if (cursor === undefined || !range || this.states.get(partition) !== state) continue;
      if (state.cursor !== known) continue; // A batch came meanwhile and was checked on its own.
      state.cursor = Math.max(known ?? 0, cursor);
      const verdict = review(known, cursor, range);
      if (verdict.do === 'seek') this.seek(partition, state, verdict.to);
      // Events may have been applied and then deleted after the cursor was read.
      else if (verdict.do === 'stop' && checkCursor(await this.readCursor(partition), range)) {
        throw chainStopped(topic, partition, verdict);
      }
    }
    if (diverged) throw chainStopped(topic, diverged.partition, diverged);
  }

  private async readCounted(cursors: ReadonlyMap<number, number>): Promise<Counted[]> {
    const { topic, totals } = this.options;
    const counted: Counted[] = [];
    for (const [partition, cursor] of cursors) {
      const epoch = await totals.readEpoch(partition, topic, cursor);
      if (epoch !== undefined) counted.push({ partition, cursor, epoch });
    }
    return counted;
  }

  private async decideOn(
    partition: number,
    state: State,
    batch: { fetchedOffset: number; lastOffset: number },
  ): Promise<Exclude<ChainDecision, { do: 'ask' }>> {
    const cursor = state.cursor ?? 0;
    const question = { cursor, batch, seeks: state.seeks };
    const first = decide(question);
    if (first.do !== 'ask') return first;
    // Another owner of the partition may have moved on, and what it applied may have been deleted.
    const current = await this.readCursor(partition);
    if (current !== cursor) return { do: 'seek', to: current };
    const log = await this.askLog(partition, cursor, batch.fetchedOffset);
    const second = decide({ ...question, log });
    this.options.logger.warn(
      { partition, ...question, ...log, decision: second.do },
      'fetched from another offset than requested',
    );
    if (second.do === 'ask')
      throw new TallymanError('BAD_DECISION', 'The range of the log was requested twice.', { partition });
    return second;
  }

  private async askLog(partition: number, cursor: number, fetchedOffset: number): Promise<LogFacts> {
    const { client, topic } = this.options;
    const range = (await logRanges(client, [topic])).get(topic)?.[partition];
    if (!range) throw new TallymanError('NO_PARTITION', `${topic} has no partition ${partition}.`);
    if (cursor >= fetchedOffset || checkCursor(cursor, range)) return range;
    const firstUnapplied = await firstRecordBetween(client, {
      topic,
      partition,
      from: cursor,
      to: fetchedOffset,
    });
    return { ...range, ...(firstUnapplied !== undefined && { firstUnapplied }) };
  }

  private noteChunk(partition: number, state: State, outcome: ChunkOutcome): void {
    state.cursor = outcome.next;
    state.seeks = 0;
    state.deadLetters.forgetBefore(outcome.next);
    this.lastCursors.set(partition, outcome.next);
    this.options.onChunk(partition, outcome);
  }

  private seek(partition: number, state: State, to: number): void {
    state.cursor = to;
    state.seeks += 1;
    this.options.seek(partition, to);
  }

  private async readCursor(partition: number): Promise<number> {
    const { topic, totals } = this.options;
    const cursor = await totals.readCursor(partition, topic);
    if (cursor === undefined) {
      await this.options.checkTopic(); // Somebody may have added the partition.
      throw uninitialised(topic, partition);
    }
    await this.noteCursor(partition, cursor);
    return cursor;
  }

  /**
   * If the totals went back, they lost their tail. What the ledger holds is restored before the log
   * is read again from there.
   */
  private async noteCursor(partition: number, cursor: number): Promise<void> {
    const last = this.lastCursors.get(partition) ?? cursor;
    this.lastCursors.set(partition, cursor);
    if (cursor >= last) return;
    this.options.logger.warn(
      { partition, cursor, last },
      'the totals are behind what was applied: going back',
    );
    await this.options.totals.restore();
  }

  private stateOf(partition: number): State {
    const known = this.states.get(partition);
    if (known) return known;
    const { options } = this;
    const deadLetters = new PublishOnce(options.deadLetters, (letters) => options.onDeadLetters(letters));
    const state = { cursor: undefined, seeks: 0, deadLetters };
    this.states.set(partition, state);
    return state;
  }
}
