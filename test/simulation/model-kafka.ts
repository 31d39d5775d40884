import type { Batch, Consumer, EachBatchPayload } from 'kafkajs';
import { KafkaJSError, KafkaJSNonRetriableError } from 'kafkajs';
import { TallymanError } from '../../src/lib/errors';
import type { KafkaClient } from '../../src/kafka/client';
import type { EpochQuestion } from '../../src/kafka/topics/leader-epochs';
import type { LogReader } from '../../src/kafka/log-reader';
import type { LogRecord } from '../../src/kafka/wire/record-batch';
import type { Publisher } from '../../src/kafka/producer';
import type { Process } from './process';

/**
 * What stands at an offset: a record that consumers see, or a marker, an aborted or a compacted
 * record.
 */
export type Entry = { readonly key: string | null; readonly value: string } | 'hidden';

export class ModelLog {
  entries: Entry[] = [];
  start = 0;
  /** Its entries before it lost its end or was recreated. */
  private before: Entry[] | undefined;
  /** The leader epochs of its entries, and the offset at which each began. */
  private elections = [{ epoch: 0, start: 0 }];
  private lastEpoch = 0;

  get end(): number {
    return this.entries.length;
  }

  records(from: number, to: number): { offset: number; key: string | null; value: string }[] {
    const found = [];
    for (let offset = Math.max(from, this.start); offset < Math.min(to, this.end); offset += 1) {
      const entry = this.entries[offset]!;
      if (entry !== 'hidden') found.push({ offset, ...entry });
    }
    return found;
  }

  /**
   * An unclean election, or a disk that lost its last writes: offsets from `end` on are given out
   * again.
   */
  loseEnd(end: number): void {
    this.before = [...this.entries];
    this.entries.splice(end);
    this.elections = this.elections.filter(({ start }) => start < end);
    this.elect();
  }

  /** Another broker becomes the leader. */
  elect(): void {
    this.lastEpoch += 1;
    this.elections.push({ epoch: this.lastEpoch, start: this.end });
  }

  epochOf(offset: number): number {
    return this.elections.findLast(({ start }) => start <= offset)!.epoch;
  }

  /** As a broker answers, which forgets the epochs whose records retention has deleted. */
  epochEnd(asked: number): { epoch: number; end: number } {
    const first = this.elections.findLastIndex(({ start }) => start <= this.start);
    const kept = this.elections.slice(Math.max(0, first));
    if (kept.at(-1)!.epoch === asked) return { epoch: asked, end: this.end };
    const higher = kept.find(({ epoch }) => epoch > asked);
    if (!higher) return { epoch: -1, end: -1 };
    const floor = kept.findLast(({ epoch }) => epoch <= asked);
    return { epoch: floor?.epoch ?? asked, end: Math.max(higher.start, this.start) };
  }

  /** Deletes and recreates it, with the same offsets for other records. */
  makeAnew(): void {
    this.loseEnd(0);
    this.start = 0;
    this.elections = [{ epoch: 0, start: 0 }];
    this.lastEpoch = 0;
  }

  /** Nobody had counted what was lost: what is there now is all there ever was. */
  forgetLoss(): void {
    this.before = undefined;
  }

  /** What may have been counted: what stood there before, if something was lost. */
  counted(): Entry[] {
    return this.before ?? this.entries;
  }
}

/** A broker: logs, a group with its assignment and its committed offsets. */
export class ModelKafka {
  readonly logs = new Map<string, ModelLog[]>();
  /** How often usage topics were created, which determines their ids. */
  private timesMade = 1;
  private generation = 0;
  private assignment = new Map<ModelConsumer, number[]>();
  readonly committed = new Map<number, number>();

  constructor(topics: Readonly<Record<string, number>>) {
    for (const [topic, partitions] of Object.entries(topics)) {
      this.logs.set(
        topic,
        Array.from({ length: partitions }, () => new ModelLog()),
      );
    }
  }

  log(topic: string, partition: number): ModelLog {
    const log = this.logs.get(topic)?.[partition];
    if (!log) throw new Error(`no ${topic}/${partition}`);
    return log;
  }

  /** New partitions of a topic, for which its members join again. */
  addPartitions(topic: string, count: number): void {
    const logs = this.logs.get(topic)!;
    while (logs.length < count) logs.push(new ModelLog());
    this.rebalance([...this.assignment.keys()], 0);
  }

  get topicId(): string {
    return `topic ${this.timesMade}`;
  }

  makeAnew(topic: string): void {
    this.timesMade += 1;
    for (const log of this.logs.get(topic)!) log.makeAnew();
  }

  /**
   * Assigns the partitions again. Members find out at their next request to the group, and are
   * zombies until then.
   */
  rebalance(members: readonly ModelConsumer[], shift: number): void {
    this.generation += 1;
    this.assignment = new Map(members.map((member) => [member, []]));
    const partitions = this.logs.get(members[0]?.topic ?? '')?.length ?? 0;
    for (let partition = 0; partition < partitions; partition += 1) {
      this.assignment.get(members[(partition + shift) % members.length]!)!.push(partition);
    }
  }

  join(member: ModelConsumer): { generation: number; partitions: number[] } {
    if (!this.assignment.has(member)) {
      this.rebalance([...[...this.assignment.keys()].filter(({ process }) => process.alive), member], 0);
    }
    return { generation: this.generation, partitions: this.assignment.get(member)! };
  }

  isCurrent(generation: number): boolean {
    return generation === this.generation;
  }

  /** What a process sees of it: every call takes its time, and may be the process's last. */
  client(process: Process): KafkaClient {
    const listOffsets: KafkaClient['listOffsets'] = (topics, point) =>
      process.call(`log ${point}`, () => {
        const offsetOf = ({ start, end }: ModelLog): number => (point === 'start' ? start : end);
        return new Map(topics.map((topic) => [topic, this.logs.get(topic)!.map(offsetOf)]));
      });
    const reader: LogReader = {
      fetch: ({ topic, partition, position }) =>
        process.call(`read ${topic}/${partition}`, () => {
          const log = this.log(topic, partition);
          if (position < log.start || position > log.end)
            throw new TallymanError('EVENTS_GONE', `no offset ${position}`);
          const next = Math.min(position + 5, log.end);
          if (next === position) process.world.passTime(500);
          const records = log.records(position, next).map(recordOf);
          return { records, next, leaderEpoch: undefined };
        }),
    };
    const client = {
      kafkajs: { consumer: () => new ModelConsumer(this, process) },
      listOffsets,
      epochEnds: (topic: string, questions: readonly EpochQuestion[]) =>
        process.call('epochs', () =>
          questions.map(({ partition, epoch }) => this.log(topic, partition).epochEnd(epoch)),
        ),
      topicState: (topic: string) =>
        process.call('topic state', () => ({
          id: this.topicId,
          partitions: this.logs.get(topic)?.length ?? 0,
        })),
      reader: () => Promise.resolve(reader),
      close: () => Promise.resolve(),
    };
    return client as unknown as KafkaClient;
  }

  publisher(process: Process): Publisher {
    return {
      publish: async (topic, records) => {
        for (const { key, value } of records) {
          await process.call(`publish to ${topic}`, () =>
            this.log(topic, 0).entries.push({ key: String(key), value: String(value) }),
          );
        }
      },
      close: () => Promise.resolve(),
    };
  }
}

/** One for each leader epoch, with records or without. */
function batchesOf(log: ModelLog, position: number, next: number): ModelBatch[] {
  const batches: ModelBatch[] = [];
  for (let from = position; from < next;) {
    const leaderEpoch = log.epochOf(from);
    let end = from + 1;
    while (end < next && log.epochOf(end) === leaderEpoch) end += 1;
    batches.push({ offset: String(end - 1), leaderEpoch, records: log.records(from, end).map(recordOf) });
    from = end;
  }
  return batches;
}

const recordOf = ({
  offset,
  key,
  value,
}: {
  offset: number;
  key: string | null;
  value: string;
}): LogRecord => ({
  offset,
  timestampMs: 0,
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
  bytes: Buffer.from(value),
  valueStart: 0,
  headerPlaces: [],
  valueText: () => value,
  valueBytes: Buffer.byteLength(value),
  headers: {},
});

/**
 * What a fetch holds of a partition, in place of the bytes of a record batch: `unpackBatch` is told
 * to read it so.
 */
export interface ModelBatch {
  readonly offset: string;
  readonly leaderEpoch: number;
  readonly records: LogRecord[];
}

type Listener = (event: { payload: object }) => void;

/**
 * A kafkajs consumer with one broker, one topic and no pause: the faults and habits that matter to
 * the runner.
 */
export class ModelConsumer implements Pick<Consumer, 'connect' | 'disconnect' | 'seek' | 'commitOffsets'> {
  readonly events = { GROUP_JOIN: 'join', FETCH: 'fetch', CRASH: 'crash' };
  readonly topic = 'usage.session';
  private readonly listeners = new Map<string, Listener>();
  private running = false;
  private generation = -1;
  private positions = new Map<number, number>();
  private readonly seeks = new Map<number, number>();

  constructor(
    private readonly kafka: ModelKafka,
    readonly process: Process,
  ) {}

  on(event: string, listener: Listener): () => void {
    this.listeners.set(event, listener);
    return () => undefined;
  }

  connect = (): Promise<void> => Promise.resolve();
  subscribe = (): Promise<void> => Promise.resolve();

  disconnect(): Promise<void> {
    this.running = false;
    return Promise.resolve();
  }

  seek({ partition, offset }: { topic: string; partition: number; offset: string }): void {
    this.seeks.set(partition, Number(offset));
  }

  commitOffsets(offsets: { partition: number; offset: string }[]): Promise<void> {
    return this.process.call('commit', () => {
      for (const { partition, offset } of offsets) this.kafka.committed.set(partition, Number(offset));
    });
  }

  run({ eachBatch }: { eachBatch: (payload: EachBatchPayload) => Promise<void> }): Promise<void> {
    this.running = true;
    void this.loop(eachBatch);
    return Promise.resolve();
  }

  private emit(event: string, payload: object): void {
    this.listeners.get(event)?.({ payload });
  }

  private async loop(eachBatch: (payload: EachBatchPayload) => Promise<void>): Promise<void> {
    await this.join();
    while (this.running) {
      try {
        await this.round(eachBatch);
      } catch (error) {
        if (error instanceof KafkaJSNonRetriableError) {
          this.running = false;
          this.emit('crash', { error, restart: false });
          return;
        }
        if (!(error instanceof KafkaJSError)) throw error;
        await this.join();
      }
    }
  }

  private async join(): Promise<void> {
    const { generation, partitions } = await this.process.call('join', () => this.kafka.join(this));
    this.generation = generation;
    this.seeks.clear();
    this.positions = new Map(
      partitions.map((partition) => [partition, this.kafka.committed.get(partition) ?? 0]),
    );
    this.emit('join', { memberAssignment: { [this.topic]: partitions } });
  }

  private async round(eachBatch: (payload: EachBatchPayload) => Promise<void>): Promise<void> {
    const { world } = this.process;
    const batches = await this.process.call('fetch', () =>
      [...this.positions.keys()].map((partition) => this.fetch(partition)),
    );
    if (!this.running) return;
    this.emit('fetch', {});
    const full = batches.filter((batch) => batch !== undefined);
    if (full.length === 0) {
      world.passTime(1_000);
      await this.heartbeat();
    }
    for (const batch of full) {
      if (!this.running) return;
      // A seek since the fetch: kafkajs drops what was fetched elsewhere.
      if (this.seeks.has(batch.partition)) continue;
      await this.handle(batch, eachBatch);
      await this.heartbeat();
    }
  }

  private fetch(partition: number): (Batch & { fetchedOffset: string }) | undefined {
    const { world } = this.process;
    const log = this.kafka.log(this.topic, partition);
    let position = this.seeks.get(partition) ?? this.positions.get(partition) ?? 0;
    this.seeks.delete(partition);
    // OFFSET_OUT_OF_RANGE: to the start, and tells nobody.
    if (position < log.start || position > log.end) position = log.start;
    this.positions.set(partition, position);
    const next = Math.min(position + 1 + world.choose(12), log.end);
    if (next === position) return undefined;
    const messages = batchesOf(log, position, next);
    return {
      topic: this.topic,
      partition,
      fetchedOffset: String(position),
      highWatermark: String(log.end),
      messages,
      lastOffset: () => String(next - 1),
    } as unknown as Batch & { fetchedOffset: string };
  }

  private async handle(batch: Batch, eachBatch: (payload: EachBatchPayload) => Promise<void>): Promise<void> {
    const { partition } = batch;
    const lastVisible = batch.messages.at(-1)?.offset;
    const messages = batch.messages as unknown as ModelBatch[];
    if (messages.every(({ records }) => records.length === 0) && this.process.world.hidesEmptyBatches) {
      this.positions.set(partition, Number(batch.lastOffset()) + 1);
      return;
    }
    const payload = {
      batch,
      resolveOffset: (offset: string) => {
        const resolved = offset === lastVisible ? batch.lastOffset() : offset;
        this.positions.set(partition, Number(resolved) + 1);
      },
      heartbeat: () => this.heartbeat(),
      pause: () => () => undefined, // Without time, a pause is over at once.
      isRunning: () => this.running,
      isStale: () => this.seeks.has(partition),
    };
    await eachBatch(payload as unknown as EachBatchPayload);
  }

  /** Sent only when it is due, so a member may be a zombie for long. */
  private async heartbeat(): Promise<void> {
    if (this.process.world.choose(3) > 0) return;
    const isCurrent = await this.process.call('heartbeat', () => this.kafka.isCurrent(this.generation));
    if (!isCurrent) throw new KafkaJSError('The coordinator is not aware of this member');
  }
}
