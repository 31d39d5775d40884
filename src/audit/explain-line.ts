import { decodeEvent } from '../../consumers/decode/decode-event';
import type { RatingContext } from '../../consumers/decode/rate-message';
import type { UsageConsumer } from '../../consumers/usage-consumer';
import type { Invoice, InvoiceLine } from '../billing/invoice/invoice';
import { unitSize } from '../billing/pricing/units';
import { meterKey } from '../rating/meters';
import { rate } from '../rating/rate';
import type { Usage } from '../rating/usage';
import type { KafkaClient } from '../kafka/client';
import { readRange, type LogRecord } from '../kafka/read-range';
import type { Fingerprint, Fingerprinter } from '../redis/apply/fingerprint';
import { FingerprintSet } from '../dedup/fingerprint-set';
import { inOrderOfPeriods, periodOf, type CutOffs, type LogPart } from './dedup-window';
import { monthOf } from '../rating/month';

/** What an invoice line counts, by which its events are recognized. */
export interface LineSubject {
  readonly project: string;
  /** The invoice's month, in which the events were billed. */
  readonly month: string;
  /** The month of the usage, which is an earlier one on a line of late usage. */
  readonly origin: string;
  /** `meter`, or `meter/model`. */
  readonly key: string;
  /** All names under which events count towards the line: the key, and the aliases of its model. */
  readonly names: ReadonlySet<string>;
  /** The first and last day of the line; undefined for the whole month. */
  readonly days?: { readonly from: string; readonly to: string };
  /** The base units of the line, together with the other lines of the same usage (tiers). */
  readonly quantity: bigint;
}

/** An event behind a line, a void of one, or a duplicate of either, which adds nothing. */
export interface ExplainedEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly time: string;
  readonly source: string;
  readonly id: string;
  /** What the event reported, in base units. */
  readonly used: string;
  /** Rounded up on its own. */
  readonly rounded: string;
  readonly verdict: Verdict;
  /** Whether it arrived after its month was closed. */
  readonly late: boolean;
  /** The sum of all that was counted so far. */
  readonly sum: string;
}

/**
 * What a line of an invoice counts; undefined if it is not based on events (a fee, a credit, a
 * tax).
 *
 * @param aliasesIn the aliases that hold in a month: alias -> model. Late usage was priced by those
 *   of its own month
 */
export function subjectOf(
  invoice: Invoice,
  line: InvoiceLine,
  aliasesIn: (month: string) => ReadonlyMap<string, string>,
): LineSubject | undefined {
  const { kind, meter, model, period } = line;
  if (meter === undefined || (kind !== 'usage' && kind !== 'late')) return undefined;
  const origin = kind === 'usage' ? invoice.month : monthOf(period!);
  const aliases = aliasesIn(origin);
  const proper = model === undefined ? undefined : (aliases.get(model) ?? model);
  const ofModel = [proper, ...[...aliases].filter(([, of]) => of === proper).map(([name]) => name)];
  // A name that has a line of its own was not an alias of the model yet.
  const names = ofModel.filter(
    (name) => name === model || !invoice.lines.some((other) => other.meter === meter && other.model === name),
  );
  const [from, to] = period?.split('/') ?? [];
  const same = invoice.lines.filter(
    (other) =>
      other.kind === kind && other.meter === meter && other.model === model && other.period === period,
  );
  return {
    project: invoice.project,
    month: invoice.month,
    origin,
    key: model === undefined ? meter : `${meter}/${model}`,
    names: new Set(names.map((name) => (name === undefined ? meter : `${meter}/${name}`))),
    ...(to !== undefined && { days: { from: from!, to } }),
    quantity: same.reduce((sum, one) => sum + baseUnits(one.quantity, one.unit), 0n),
  };
}

/**
 * A decimal quantity of a billing unit, in base units. Every line's quantity is a whole number of
 * them.
 */
function baseUnits(quantity: string, unit: string): bigint {
  const size = unitSize(unit);
  const [whole = '', places = ''] = quantity.replace('-', '').split('.');
  const scaled = (BigInt(whole + places) * size) / 10n ** BigInt(places.length);
  return quantity.startsWith('-') ? -scaled : scaled;
}

/** `void`: takes a counted event back. `unknown_void`: names one that was not counted. */
export type Verdict = 'counted' | 'duplicate' | 'void' | 'unknown_void';

/**
 * A partition from where ids identify duplicates (see `replayHorizon`) to the month's cut-off, or
 * as far as an open month is counted.
 */
export interface ExplainedPartition extends LogPart {
  readonly partition: number;
}

export interface ExplainRange {
  readonly client: KafkaClient;
  readonly fingerprinter: Fingerprinter;
  readonly rating: RatingContext;
  readonly consumer: UsageConsumer;
  /** Full name, with the prefix. */
  readonly topic: string;
  /** The partitions of one shard. */
  readonly partitions: readonly ExplainedPartition[];
  readonly freezes: CutOffs;
  onRead?(records: number): void;
}

/**
 * The events of one shard behind a line, in the order of the log, including duplicates. It
 * recognizes duplicates and late usage by itself, as the recount does. It keeps 16 bytes for each
 * event of the project that it reads.
 *
 * @param sum the sum of the earlier shards
 */
export async function* explainLine(
  range: ExplainRange,
  subject: LineSubject,
  sum: bigint,
): AsyncGenerator<ExplainedEvent, void, undefined> {
  const repeats = new Repeats(range, subject.project);
  for (const part of inOrderOfPeriods(range.freezes, range.partitions)) {
    for await (const event of explainPart(range, part, repeats, subject, sum)) {
      sum = BigInt(event.sum);
      yield event;
    }
  }
}

async function* explainPart(
  range: ExplainRange,
  { partition, lane, from, to }: ExplainedPartition,
  repeats: Repeats,
  subject: LineSubject,
  sum: bigint,
): AsyncGenerator<ExplainedEvent, void, undefined> {
  const { client, topic, freezes, rating, consumer } = range;
  const mayConcern = filterFor(subject.project);
  const { number, openMonth } = periodOf(freezes, lane, from);
  repeats.enter(number);
  for await (const records of readRange(client, { topic, partition, from, to })) {
    range.onRead?.(records.length);
    for (const record of records) {
      if (!mayConcern(record)) continue;
      const decoded = decodeEvent(consumer, record, rating.limits);
      if (!decoded.ok || decoded.project !== subject.project) continue;
      const { source, id, isVoid } = decoded;
      const verdict = isVoid
        ? repeats.takeBack(source, id)
        : repeats.has(source, id)
          ? 'duplicate'
          : 'counted';
      const { day, month } = rating.calendar.dayOf(decoded.time);
      const late = openMonth !== undefined && month < openMonth;
      if (month !== subject.origin || (late ? openMonth : month) !== subject.month) continue;
      if (subject.days !== undefined && (day < subject.days.from || day > subject.days.to)) continue;
      for (const usage of decoded.usages) {
        if (!subject.names.has(wellFormed(meterKey(usage.meter, usage.model)))) continue;
        const rounded = rate([usage], decoded.time, rating.rounding)[0]?.quantity ?? '0';
        if (verdict === 'counted') sum += BigInt(rounded);
        else if (verdict === 'void') sum -= BigInt(rounded);
        yield {
          topic,
          partition,
          offset: record.offset,
          time: instantText(decoded.time),
          source: decoded.source,
          id: decoded.id,
          used: usedText(usage),
          rounded,
          verdict,
          late,
          sum: sum.toString(),
        };
      }
    }
  }
}

/** Ids of a period and of the one before are remembered; the first in the log counts. */
class Repeats {
  private number: number | undefined;
  private own = new FingerprintSet();
  private previous = new FingerprintSet();

  constructor(
    private readonly range: ExplainRange,
    private readonly project: string,
  ) {}

  /** Whether the event was seen before. From now on it counts as seen. */
  has(source: string, id: string): boolean {
    return this.isSeen(this.range.topic, source, id);
  }

  /** What the void of an event does. Afterwards the event is void, even if it arrives later. */
  takeBack(source: string, id: string): Verdict {
    const { topic } = this.range;
    if (this.isSeen(`${topic}#void`, source, id)) return 'duplicate';
    const isCounted = this.isSeen(topic, source, id);
    this.keep(topic, source, id); // The void is remembered as long as an id.
    return isCounted ? 'void' : 'unknown_void';
  }

  /** The periods come in order. */
  enter(number: number): void {
    this.number ??= number;
    if (number === this.number) return;
    this.previous = number === this.number + 1 ? this.own : new FingerprintSet();
    this.own = new FingerprintSet();
    this.number = number;
  }

  private isSeen(topic: string, source: string, id: string): boolean {
    return this.previous.has(...this.fingerprintOf(topic, source, id)) || !this.keep(topic, source, id);
  }

  /** Remembers an id in this period; false if it already is. */
  private keep(topic: string, source: string, id: string): boolean {
    return this.own.add(...this.fingerprintOf(topic, source, id));
  }

  private fingerprintOf(topic: string, source: string, id: string): Fingerprint {
    return this.range.fingerprinter.of(topic, { project: this.project, source, id });
  }
}

/**
 * Most records of a partition belong to other projects, and need not be parsed. (JSON may escape
 * any letter.)
 */
function filterFor(project: string): (record: LogRecord) => boolean {
  const name = Buffer.from(project);
  const escape = Buffer.from('\\u');
  return ({ key, value, headers }) =>
    value !== null &&
    (key?.equals(name) === true ||
      headers['ce_subject'] !== undefined ||
      value.includes(name) ||
      value.includes(escape));
}

/** Seconds with as many decimals as needed, or the number. */
function usedText({ used }: Usage): string {
  return typeof used === 'number' ? String(used) : withNanos(String(used.seconds), used.nanos);
}

function instantText({ seconds, nanos }: { readonly seconds: number; readonly nanos: number }): string {
  return `${withNanos(new Date(seconds * 1000).toISOString().slice(0, 19), nanos)}Z`;
}

function withNanos(whole: string, nanos: number): string {
  return nanos === 0 ? whole : `${whole}.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}

/** The form in Redis, which cannot hold half of a surrogate pair. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
