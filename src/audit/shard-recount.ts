import type { RatedMessage } from '../../consumers/decode/rate-message';
import type { RawMessage } from '../../consumers/decode/decode-event';
import { TallymanError } from '../lib/errors';
import { meterKey } from '../rating/meters';
import type { RatedEvent, RatedUsage } from '../rating/usage';
import type { KafkaClient } from '../kafka/client';
import type { Fingerprinter } from '../redis/apply/fingerprint';
import { FingerprintOffsets } from '../dedup/fingerprint-set';
import { placeOf } from '../redis/usage/lanes';
import { compareRepeats, type RecordPlace, type Repeat, type Repeats } from './compare/compare-duplicates';
import { LogTail } from './second-count/log-tail';
import { inOrderOfPeriods, periodOf, type CutOffs, type Period } from './dedup-window';

/** The sums of a project's events in one billing month. */
export interface Recounted {
  readonly totals: Map<string, bigint>;
  readonly daily: Map<string, bigint>;
}

/** The part of a usage topic that a recount needs. */
export interface RecountedTopic {
  /** Full name, with the prefix. */
  readonly topic: string;
  readonly rate: (message: RawMessage) => RatedMessage;
}

export interface ShardRecountOptions {
  readonly client: KafkaClient;
  readonly fingerprinter: Fingerprinter;
  readonly shard: number;
  readonly topics: readonly RecountedTopic[];
  /** Lane -> the offset to begin at. */
  readonly starts: ReadonlyMap<string, number>;
  readonly freezes: CutOffs;
  onRead(records: number): void;
  onRepeats(repeats: Repeats): void;
}

interface LaneState {
  readonly lane: string;
  readonly partition: number;
  next: number;
  /** Keeps the records that a fetch returned beyond a cursor, which moves in small steps. */
  readonly tail: LogTail;
}

interface TopicState extends RecountedTopic {
  readonly lanes: readonly LaneState[];
  period: Period;
  /** Fingerprint -> offset * number of lanes + number of the lane. */
  own: FingerprintOffsets;
  previous: FingerprintOffsets;
  repeats: Repeat[];
}

/** How many duplicates are compared at a time, so that memory does not grow with the log. */
const REPEATS_HELD = 20_000;

/**
 * Recounts one shard from its partitions, beside the running consumers, and writes nothing. It
 * shares the reading and the rating of events with them. It decides about duplicates, late usage
 * and sums by itself, so that a fault of Redis or the scripts shows.
 */
export class ShardRecount {
  /** Billing month -> project -> sums. */
  readonly months = new Map<string, Map<string, Recounted>>();
  readonly counts = { counted: 0, duplicates: 0, rejected: 0, late: 0, voided: 0, unknownVoids: 0 };
  private readonly states: TopicState[];
  private freezes: CutOffs;
  private readonly dayFields = new Map<string, Map<string, string>>();

  constructor(private readonly options: ShardRecountOptions) {
    this.freezes = options.freezes;
    this.states = options.topics.map((topic) => {
      const lanes = [...options.starts].flatMap(([lane, next]) => {
        const place = placeOf(lane, options.shard);
        if (place.topic !== topic.topic) return [];
        return [{ lane, partition: place.partition, next, tail: new LogTail(options.client, place, next) }];
      });
      return {
        ...topic,
        lanes,
        period: this.earliestPeriodOf(lanes),
        own: new FingerprintOffsets(),
        previous: new FingerprintOffsets(),
        repeats: [],
      };
    });
  }

  /**
   * Continues the count up to these cursors.
   *
   * @param freezes all of the shard's; a new one must not be before what is counted already
   * @throws TallymanError `TOTALS_WENT_BACK` for a cursor below what is counted already; those of
   *   `LogTail`
   */
  async advance(cursors: ReadonlyMap<string, number>, freezes: CutOffs): Promise<void> {
    this.freezes = freezes;
    await Promise.all(this.states.map((state) => this.advanceTopic(state, cursors)));
  }

  /** Compares the duplicates that have not been compared yet. */
  async settle(): Promise<void> {
    for (const state of this.states) await this.settleTopic(state);
  }

  private async advanceTopic(state: TopicState, cursors: ReadonlyMap<string, number>): Promise<void> {
    const parts = state.lanes.map((of) => ({
      of,
      lane: of.lane,
      from: of.next,
      to: cursors.get(of.lane) ?? of.next,
    }));
    for (const { of, from, to } of parts) {
      if (to >= from) continue;
      const { topic } = state;
      const { partition } = of;
      throw new TallymanError(
        'TOTALS_WENT_BACK',
        `The cursor of ${topic} partition ${partition} went back from ${from} to ${to}. Redis lost its latest writes, ` +
          'and the consumers are applying them again. Run verify again when they have caught up.',
        { topic, partition, cursor: to, counted: from },
      );
    }
    this.enter(state, this.earliestPeriodOf(state.lanes)); // There may be a new cut-off since then.
    for (const { of, from, to } of inOrderOfPeriods(this.freezes, parts)) {
      this.enter(state, periodOf(this.freezes, of.lane, from));
      for await (const records of of.tail.upTo(to)) {
        for (const record of records) this.count(state, of, record);
        this.options.onRead(records.length);
        if (state.repeats.length >= REPEATS_HELD) await this.settleTopic(state);
      }
      of.next = to;
    }
    this.enter(state, this.earliestPeriodOf(state.lanes));
  }

  /** The period of the partition that is behind the others. */
  private earliestPeriodOf(lanes: readonly Pick<LaneState, 'lane' | 'next'>[]): Period {
    return lanes
      .map(({ lane, next }) => periodOf(this.freezes, lane, next))
      .reduce((a, b) => (a.number <= b.number ? a : b));
  }

  private async settleTopic(state: TopicState): Promise<void> {
    if (state.repeats.length === 0) return;
    const { client } = this.options;
    const { topic, rate, repeats } = state;
    state.repeats = [];
    this.options.onRepeats(await compareRepeats({ client, topic, rate }, repeats));
  }

  private count(state: TopicState, { partition }: LaneState, record: RawMessage): void {
    const repeat = { partition, offset: record.offset };
    const rated = state.rate(record);
    if (!rated.ok) {
      this.counts.rejected += 1;
      return;
    }
    const { event } = rated;
    if (event.isVoid) {
      this.takeBack(state, repeat, event);
      return;
    }
    const first = this.seenBefore(state, repeat, event);
    if (first !== undefined) {
      this.counts.duplicates += 1;
      state.repeats.push({ first, repeat });
      return;
    }
    this.counts.counted += 1;
    const { openMonth } = state.period;
    if (openMonth !== undefined && event.month < openMonth) this.counts.late += 1;
    this.add(openMonth, event);
  }

  /**
   * The rules of void.lua, written independently: an event is taken back once, and one that was not
   * counted never counts.
   */
  private takeBack(state: TopicState, repeat: RecordPlace, event: RatedEvent): void {
    const { topic } = state;
    if (this.find(state, `${topic}#void`, event) !== undefined) {
      this.counts.duplicates += 1;
      return;
    }
    const first = this.find(state, topic, event);
    const openMonth = state.period.openMonth;
    if (first !== undefined && !this.holds(openMonth, event)) {
      this.counts.rejected += 1;
      return;
    }
    this.remember(state, `${topic}#void`, repeat, event);
    this.remember(state, topic, repeat, event);
    if (first === undefined) {
      this.counts.unknownVoids += 1;
      return;
    }
    this.counts.voided += 1;
    state.repeats.push({ first, repeat });
    this.add(openMonth, { ...event, usages: event.usages.map(negated) });
  }

  /**
   * Whether the event's day holds the quantity to subtract, over all months that billed its usage.
   */
  private holds(openMonth: string | undefined, { project, month, day, usages }: RatedEvent): boolean {
    const bill = openMonth !== undefined && month < openMonth ? openMonth : month;
    return usages.every(({ meter, model, quantity }) => {
      const field = this.dayField(day, wellFormed(meterKey(meter, model)));
      let held = 0n;
      for (const [of, projects] of this.months)
        if (of >= month && of <= bill) held += projects.get(project)?.daily.get(field) ?? 0n;
      return held >= BigInt(quantity);
    });
  }

  /**
   * Ids of a period are forgotten when the period after the next begins. A period may be empty, if
   * two months are frozen at once.
   */
  private enter(state: TopicState, period: Period): void {
    const passed = period.number - state.period.number;
    if (passed > 0) {
      state.previous = passed === 1 ? state.own : new FingerprintOffsets();
      state.own = new FingerprintOffsets();
    }
    state.period = period;
  }

  /**
   * The record of the event that this one duplicates; undefined if it is the first, which is then
   * remembered.
   */
  private seenBefore(state: TopicState, place: RecordPlace, event: RatedEvent): RecordPlace | undefined {
    const first = this.find(state, state.topic, event);
    if (first === undefined) this.remember(state, state.topic, place, event);
    return first;
  }

  /** The record under which an event is remembered in this period or the one before. */
  private find(
    { lanes, previous, own }: TopicState,
    topic: string,
    event: RatedEvent,
  ): RecordPlace | undefined {
    const fingerprint = this.options.fingerprinter.of(topic, event);
    const code = previous.offsetOf(...fingerprint) ?? own.offsetOf(...fingerprint);
    if (code === undefined) return undefined;
    const { partition } = lanes[code % lanes.length]!;
    return { partition, offset: Math.floor(code / lanes.length) };
  }

  private remember(
    { lanes, own }: TopicState,
    topic: string,
    { partition, offset }: RecordPlace,
    event: RatedEvent,
  ): void {
    const code = offset * lanes.length + lanes.findIndex((lane) => lane.partition === partition);
    own.addAt(...this.options.fingerprinter.of(topic, event), code);
  }

  private add(openMonth: string | undefined, { project, month, day, usages }: RatedEvent): void {
    const isLate = openMonth !== undefined && month < openMonth;
    for (const { meter, model, quantity } of usages) {
      const sums = this.sumsOf(isLate ? openMonth : month, project);
      // Redis holds UTF-8, which cannot hold half of a surrogate pair.
      const key = wellFormed(meterKey(meter, model));
      increase(sums.totals, isLate ? `${month}@${key}` : key, quantity);
      increase(sums.daily, this.dayField(day, key), quantity);
    }
  }

  private sumsOf(month: string, project: string): Recounted {
    let projects = this.months.get(month);
    if (projects === undefined) this.months.set(month, (projects = new Map<string, Recounted>()));
    let sums = projects.get(project);
    if (sums === undefined) projects.set(project, (sums = { totals: new Map(), daily: new Map() }));
    return sums;
  }

  /** One text for all projects, because such texts would take most of a shard's memory. */
  private dayField(day: string, key: string): string {
    let fields = this.dayFields.get(day);
    if (fields === undefined) this.dayFields.set(day, (fields = new Map<string, string>()));
    let field = fields.get(key);
    if (field === undefined) fields.set(key, (field = `${day}/${key}`));
    return field;
  }
}

/** A sum of zero is not stored, as in Redis. */
function increase(sums: Map<string, bigint>, field: string, quantity: string): void {
  const sum = (sums.get(field) ?? 0n) + BigInt(quantity);
  if (sum === 0n) sums.delete(field);
  else sums.set(field, sum);
}

function negated(usage: RatedUsage): RatedUsage {
  return { ...usage, quantity: `-${usage.quantity}` };
}

function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
