import type { Scheduler } from 'fast-check';
import type { CloseRecord } from '../../schemas/types';
import { freezeMonth } from '../../src/close/freeze-month';
import { restoreCloses } from '../../src/installation/ledgers/restore-closes';
import { watchCloses } from '../../src/ingest/guards/watch-closes';
import { EXIT } from '../../src/lib/error-codes';
import { TallymanError } from '../../src/lib/errors';
import { createLogger } from '../../src/lib/logger';
import { createDeadLetters } from '../../src/dead-letters/dead-letter';
import { createTopicConsumer } from '../../src/ingest/consumer';
import { logEnds } from '../../src/kafka/topics/topics';
import { ModelKafka, type ModelConsumer, type ModelLog } from './model-kafka';
import { ModelRedis } from './model-redis';
import { Process, type World } from './process';
import { recount, type Sums, type UsageValue } from './recount';

export const TOPIC = 'usage.session';
/** The id of the topic that the cursors were created for. */
const TOPIC_ID = new ModelKafka({}).topicId;
const CLOSES = 'billing.closes';
const DEAD_LETTERS = 'usage.dead-letters';
const PARTITIONS = 2;
const GROWN_PARTITIONS = 4;
const MEMBERS = 2;
/**
 * A crash that loses Redis's tail takes it away for longer than consumers trust what they know of
 * closes.
 */
const CRASH_MS = 1_500;

const logger = createLogger('silent');

/** What ends a run: nobody can go on, and says so. */
const LOUD = [
  'EVENTS_GONE',
  'CURSOR_PAST_LOG_END',
  'LOG_DIVERGED',
  'TOPIC_REPLACED',
  'SEEK_IGNORED',
  'FREEZE_LOST',
  'UNINITIALISED',
  'APPLY_REJECTED',
];

export type Fault =
  | { do: 'publish'; partition: number; entries: ('event' | 'repeat' | 'bad' | 'hidden')[] }
  | { do: 'rebalance'; shift: number; alone: boolean }
  | { do: 'kill'; member: number }
  | { do: 'elect'; partition: number }
  | { do: 'lose reply' | 'send twice' | 'lose offsets' | 'close' | 'kill close' | 'outage' }
  | { do: 'settle' | 'look' | 'grow' }
  | { do: 'wait'; steps: number }
  | { do: 'lose tail'; writes: number }
  | { do: 'retention'; partition: number; share: number; harmful: boolean }
  /** What is published again may end below the cursor, at it, or beyond it. */
  | { do: 'lose end'; partition: number; share: number; refill: number }
  | { do: 'recreate'; entries: number };

interface Member {
  process: Process;
  consumer?: ModelConsumer;
}

/**
 * Consumers, a close, Kafka and Redis in one process, as one scheduler has it: our own code, around
 * models of the servers.
 */
export class Installation implements World {
  readonly kafka = new ModelKafka({ [TOPIC]: PARTITIONS, [CLOSES]: 1, [DEAD_LETTERS]: 1 });
  readonly redis = new ModelRedis(PARTITIONS, TOPIC);
  /** Month -> the totals that its invoices were made from. They go out once and never change. */
  readonly invoiced = new Map<string, Sums>();
  /** Why the run ended early: the codes of a loud stop. */
  stopped: string | undefined;
  /** Whether counted records were lost: nobody may go on. */
  mustStop = false;
  /** A fault of our code, or of the models. */
  broken: unknown;
  isOver = false;
  private nowMs = 1_000_000;
  private chosen = 0;
  private published = 0;
  private readonly members: Member[] = [];
  private closing: Process | undefined;
  private conflicts = 0;

  constructor(
    readonly scheduler: Scheduler,
    readonly hidesEmptyBatches: boolean,
    private readonly choices: readonly number[],
  ) {}

  choose(n: number): number {
    return (this.choices[this.chosen++ % this.choices.length] ?? 0) % n;
  }

  passTime(ms: number): void {
    this.nowMs += ms;
  }

  /**
   * Runs the faults between the steps of the processes, then lets all go well until nothing is left
   * to do.
   */
  async run(faults: readonly Fault[]): Promise<void> {
    const restoreClocks = this.useOwnClocks();
    try {
      for (let member = 0; member < MEMBERS; member += 1) this.members.push(this.startMember());
      await this.drive(this.scenario(faults));
    } finally {
      this.isOver = true;
      restoreClocks();
    }
    if (this.broken !== undefined) throw new Error('broken', { cause: this.broken });
  }

  private useOwnClocks(): () => void {
    const clocks = [Date, performance].map((clock) =>
      jest.spyOn(clock, 'now').mockImplementation(() => this.nowMs),
    );
    return () => clocks.forEach((clock) => clock.mockRestore());
  }

  logs(): ModelLog[] {
    return this.kafka.logs.get(TOPIC)!;
  }

  cursors(): number[] {
    return this.logs().map((_, partition) => this.redis.cursor(partition)!);
  }

  /** As the ledger has them. */
  closes(): CloseRecord[] {
    const records = new Map<string, CloseRecord>();
    for (const entry of this.kafka.log(CLOSES, 0).entries) {
      if (entry === 'hidden') continue;
      records.set(entry.key!, JSON.parse(entry.value) as CloseRecord);
    }
    return [...records.values()].sort((a, b) => (a.month < b.month ? -1 : 1));
  }

  deadLetters(): Set<string> {
    const entries = this.kafka.log(DEAD_LETTERS, 0).entries;
    return new Set(entries.map((entry) => (entry === 'hidden' ? '' : entry.key!)));
  }

  /** What Redis shows, in the words of `recount`. */
  totals(month?: string): Sums {
    const sums: Sums = new Map();
    for (const [shard, { totals }] of this.redis.shards.entries()) {
      for (const [group, fields] of totals) {
        if (month !== undefined && !group.startsWith(month)) continue;
        for (const [field, sum] of fields) sums.set(`${shard} ${group} ${field}`, sum);
      }
    }
    return sums;
  }

  expected(): Sums {
    const logs = this.logs().map((one) => one.counted());
    const closes = [...this.closes(), ...this.unpublishedCloses()];
    return recount(TOPIC, logs, this.cursors(), closes, PARTITIONS);
  }

  /** What a closed month came to when it was frozen, however far Redis went back since. */
  expectedAtClose(month: string): Sums {
    const closes = this.closes();
    const { cursors } = closes.find((close) => close.month === month)!;
    const logs = this.logs().map((one) => one.counted());
    return recount(
      TOPIC,
      logs,
      logs.map(
        (_, partition) =>
          cursors[partition % PARTITIONS]?.[partition < PARTITIONS ? TOPIC : `${TOPIC}/${partition}`] ?? 0,
      ),
      closes,
      PARTITIONS,
    );
  }

  /**
   * A run that stopped in the middle of a close: some shards are frozen, and the ledger does not
   * say so yet.
   */
  private unpublishedCloses(): Pick<CloseRecord, 'month' | 'cursors'>[] {
    const published = this.closes().map(({ month }) => month);
    const months = new Set(this.frozenMonths().filter((month) => !published.includes(month)));
    return [...months].map((month) => ({
      month,
      cursors: Object.fromEntries(
        this.redis.shards.flatMap(({ closed }, shard) => {
          const frozen = closed.get(month);
          return frozen ? [[shard, Object.fromEntries(frozen)]] : [];
        }),
      ),
    }));
  }

  /** What ops do after FREEZE_LOST: empty Redis, put the freezes back, count the log again. */
  async rebuild(): Promise<void> {
    this.stopped = undefined;
    this.isOver = false;
    this.closing?.kill();
    for (const { process } of this.members) process.kill();
    this.redis.wipe();
    const restoreClocks = this.useOwnClocks();
    try {
      for (const index of this.members.keys()) this.members[index] = this.startMember();
      await this.drive(this.drain());
    } finally {
      this.isOver = true;
      restoreClocks();
    }
  }

  /**
   * Lets the scheduler choose the next call, until the scenario is through. All that follows from a
   * call happens before the next one: an immediate comes after every promise. (The scheduler's own
   * `waitFor` counts ticks, and is many times slower.)
   */
  private async drive(scenario: Promise<void>): Promise<void> {
    let isThrough = false;
    const through = scenario.finally(() => (isThrough = true));
    through.catch(() => undefined); // Thrown below.
    for (;;) {
      await new Promise(setImmediate);
      if (isThrough) return through;
      await this.scheduler.waitOne();
    }
  }

  private async scenario(faults: readonly Fault[]): Promise<void> {
    const world = new Process(this, 'world');
    for (const fault of faults) {
      const steps = fault.do === 'wait' ? fault.steps : this.choose(8);
      for (let step = 0; step <= steps; step += 1) await world.call(fault.do, () => undefined);
      if (this.isDone()) return;
      if (fault.do === 'settle') await this.settle(world);
      else if (fault.do === 'look') await this.look(world);
      else this.inject(fault);
    }
    this.redis.isAway = false;
    this.redis.wireFaults.length = 0;
    // One event behind a hidden tail shows that a partition is not stuck.
    for (const partition of this.logs().keys()) this.publish(partition, ['event']);
    await this.drain();
  }

  /** Settles, and looks as the next start and the next close do. */
  private async drain(): Promise<void> {
    const world = new Process(this, 'world');
    await this.settle(world);
    if (!this.isDone()) await this.kafkaRestore(world).catch((error: unknown) => this.onError(error));
  }

  /** Restarts all, so that nothing fetched before a loss is still under way, and checks. */
  private async look(world: Process): Promise<void> {
    await this.settle(world);
    if (this.isDone()) return;
    for (const index of this.members.keys()) this.restart(index);
    await this.settle(world);
    // What was fetched before the loss may have been counted after it: a stop then, and it stays
    // counted.
    if (this.isDone()) return;
    if (!this.mustStop) for (const one of this.logs()) one.forgetLoss();
  }

  /** Until all is applied and closes are through, or nobody can go on. */
  private async settle(world: Process): Promise<void> {
    // A cursor past the end is not settled: somebody must see it.
    const isApplied = (): boolean => this.logs().every(({ end }, shard) => this.cursors()[shard] === end);
    for (let round = 0; round < 3_000; round += 1) {
      if (this.isDone()) return;
      if (isApplied() && !this.closing?.alive) {
        const unpublished = this.frozenMonths().find(
          (month) => !this.closes().some((one) => one.month === month),
        );
        if (unpublished === undefined) return;
        void this.close(unpublished); // One that was killed is run again.
      }
      await world.call('settle', () => undefined);
    }
    throw new Error(
      `stuck at ${this.cursors().join()} of ${this.logs()
        .map(({ end }) => end)
        .join()}`,
    );
  }

  private isDone(): boolean {
    return this.stopped !== undefined || this.broken !== undefined;
  }

  private inject(fault: Fault): void {
    switch (fault.do) {
      case 'wait':
      case 'settle':
      case 'look':
        return;
      case 'grow':
        this.redis.addCursors(GROWN_PARTITIONS);
        return this.kafka.addPartitions(TOPIC, GROWN_PARTITIONS);
      case 'publish':
        return this.publish(fault.partition % this.logs().length, fault.entries);
      case 'rebalance': {
        const consumers = this.members.flatMap(({ consumer }) => consumer ?? []);
        const chosen = fault.alone ? consumers.slice(0, 1) : consumers;
        if (chosen.length > 0) this.kafka.rebalance(chosen, fault.shift);
        return;
      }
      case 'elect':
        return this.kafka.log(TOPIC, fault.partition).elect();
      case 'kill':
        return this.restart(fault.member);
      case 'lose reply':
        return void this.redis.wireFaults.push('lost reply');
      case 'send twice':
        return void this.redis.wireFaults.push('sent twice');
      case 'lose offsets':
        return this.kafka.committed.clear();
      case 'outage':
        this.redis.isAway = !this.redis.isAway;
        return this.passTime(CRASH_MS);
      case 'lose tail':
        this.passTime(CRASH_MS);
        return this.redis.loseTail(fault.writes);
      case 'close':
        if (!this.closing?.alive) void this.close(this.nextToClose());
        return;
      case 'kill close':
        this.closing?.kill();
        return;
      case 'retention': {
        const partitionLog = this.kafka.log(TOPIC, fault.partition);
        const most = fault.harmful ? partitionLog.end : this.redis.safeOffset(fault.partition);
        partitionLog.start += Math.floor((most - partitionLog.start) * fault.share);
        return;
      }
      case 'lose end': {
        const partitionLog = this.kafka.log(TOPIC, fault.partition);
        const cursor = this.cursors()[fault.partition]!;
        const { start, end } = partitionLog;
        partitionLog.loseEnd(start + Math.floor((end - start) * fault.share));
        this.mustStop = cursor > partitionLog.end;
        this.publish(fault.partition, Array<'event'>(fault.refill).fill('event'));
        return;
      }
      case 'recreate':
        this.mustStop = true;
        this.kafka.makeAnew(TOPIC);
        for (const partition of this.logs().keys())
          this.publish(partition, Array<'event'>(fault.entries).fill('event'));
    }
  }

  private publish(partition: number, kinds: readonly ('event' | 'repeat' | 'bad' | 'hidden')[]): void {
    const { entries } = this.kafka.log(TOPIC, partition);
    for (const kind of kinds) {
      if (kind === 'hidden') {
        entries.push('hidden');
        continue;
      }
      // A project's events may be in all partitions of its shard.
      const known = this.logs()
        .filter((_, other) => other % PARTITIONS === partition % PARTITIONS)
        .flatMap((log) => log.entries)
        .filter((entry) => entry !== 'hidden' && entry.value.startsWith('{'));
      if (kind === 'bad') entries.push({ key: 'p', value: 'bad' });
      else if (kind === 'repeat' && known.length > 0) entries.push(known[this.choose(known.length)]!);
      else {
        this.published += 1;
        const usage: UsageValue = {
          project: this.choose(2) === 0 ? 'p' : 'q',
          id: String(this.published),
          month: `2026-0${1 + this.choose(3)}`,
          // Each event has a bit of its own for as long as possible: a sum tells what is in it.
          quantity: 2 ** (this.published % 48),
        };
        entries.push({ key: usage.project, value: JSON.stringify(usage) });
      }
    }
  }

  private restart(index: number): void {
    this.members[index]!.process.kill();
    this.members[index] = this.startMember();
  }

  private kafkaRestore(process: Process): Promise<string[]> {
    const restored = restoreCloses(this.kafka.client(process), this.redis.store(process), '', logger);
    return restored.then((records) => [...records.keys()]);
  }

  private startMember(): Member {
    const process = new Process(this, `consumer ${this.members.length}`);
    const member: Member = { process };
    const fail = (error: unknown): void => {
      if (!process.alive || this.isOver) return;
      process.kill();
      this.onError(error);
      // Its supervisor.
      const index = this.members.indexOf(member);
      if (!this.isDone() && index >= 0) this.restart(index);
    };
    void this.consume(member, fail).catch(fail);
    return member;
  }

  private async consume(member: Member, fail: (error: unknown) => void): Promise<void> {
    const { process } = member;
    // Not before the member is in its place.
    await process.call('start', () => undefined);
    const client = this.kafka.client(process);
    const watch = watchCloses({
      ledgerEnd: async () => (await logEnds(client, [CLOSES])).get(CLOSES)![0]!,
      restore: () => this.kafkaRestore(process),
    });
    await watch.latest();
    const consumerOf = client.kafkajs.consumer.bind(client.kafkajs);
    client.kafkajs.consumer = (options) => {
      const consumer = consumerOf(options);
      member.consumer = consumer as unknown as ModelConsumer;
      return consumer;
    };
    const runner = createTopicConsumer({
      ...{ client, topic: TOPIC, topicId: TOPIC_ID, groupId: 'tallyman.session', logger },
      totals: {
        apply: async (partition, chunk) => this.redis.apply(process, partition, chunk, await watch.latest()),
        readCursor: (partition) => this.redis.read(process, 'cursor', () => this.redis.cursor(partition)),
        readEpoch: (partition, _, cursor) =>
          this.redis.read(process, 'epoch', () => this.redis.epoch(partition, cursor)),
        assign: () => undefined, // The model of Redis looks ids up itself.
        restore: () => watch.restore(),
      },
      deadLetters: createDeadLetters(this.kafka.publisher(process), ''),
      rate: ({ offset, value }) => {
        const text = String(value);
        if (!text.startsWith('{')) return { ok: false, reason: 'malformed_json', detail: 'no JSON' };
        const { project, id, month, quantity } = JSON.parse(text) as UsageValue;
        const usages = [{ meter: 'session.webrtc' as const, quantity: String(quantity) }];
        return { ok: true, event: { offset, project, source: '/s', id, month, day: `${month}-01`, usages } };
      },
      chunkLimits: { maxRecords: 3, maxBytes: 1_000_000 },
      onFatal: fail,
    });
    await runner.start();
  }

  /** The month after the last that is closed, or that one again. */
  private nextToClose(): string {
    return `2026-0${Math.min(3, Math.max(1, this.closes().length + this.choose(2)))}`;
  }

  private frozenMonths(): string[] {
    return this.redis.shards.flatMap(({ closed }) => [...closed.keys()]).sort();
  }

  private async close(month: string): Promise<void> {
    const process = new Process(this, 'close');
    this.closing = process;
    const [kafka, store] = [this.kafka.client(process), this.redis.store(process)];
    try {
      await this.kafkaRestore(process);
      const publisher = this.kafka.publisher(process);
      const { guard } = await freezeMonth(
        { kafka, store, publisher, prefix: '', logger },
        month,
        new Map(),
        this.nowMs,
      );
      const read: Sums = new Map();
      for (let shard = 0; shard < PARTITIONS; shard += 1) {
        const totals = await this.redis.read(process, 'totals', () => this.totals(month));
        for (const [key, sum] of totals) if (key.startsWith(`${shard} `)) read.set(key, sum);
      }
      await guard.check();
      if (!this.invoiced.has(month)) this.invoiced.set(month, read);
      await guard.remove();
    } catch (error) {
      this.onError(error);
    } finally {
      process.kill();
    }
  }

  private onError(error: unknown): void {
    if (error instanceof TallymanError && error.exit === EXIT.refused) return;
    const code = error instanceof TallymanError ? error.code : undefined;
    if (code === undefined) this.broken ??= error;
    else if (LOUD.includes(code)) this.stopped ??= code;
    else if (code === 'FREEZE_CONFLICT' && (this.conflicts += 1) > 10) this.stopped ??= code;
  }
}
