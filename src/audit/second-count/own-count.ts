import { createHash } from 'node:crypto';
import type { RatedEvent } from '../../rating/usage';
import { meterKey } from '../../rating/meters';
import type { KafkaClient } from '../../kafka/client';
import { LogTail } from './log-tail';
import { placeOf } from '../../redis/usage/lanes';
import { inOrderOfPeriods, periodOf, type CutOffs, type LogPart, type Period } from '../dedup-window';
import type { RecountedTopic } from '../shard-recount';
import { SEPARATOR, type SumStore } from './sum-store';
import { monthOf, nextMonth } from '../../rating/month';

/** The progress of a second count. It is stored in one step with the sums. */
export interface CountState {
  /** What the count depends on besides the log. If it changes, the count is not valid any more. */
  readonly basis: string;
  readonly shards: Record<number, ShardState>;
}

export interface ShardState {
  /** Lane (see lanes.ts) -> the first offset that was counted. */
  readonly starts: Record<string, number>;
  /** Lane -> the next offset to count. */
  readonly next: Record<string, number>;
  /** Month -> lane -> the cut-off that was used. */
  freezes: Record<string, Record<string, number>>;
}

/** A project's month in a shard, as counted. */
export interface CountedMonth {
  readonly totals: Map<string, bigint>;
  readonly daily: Map<string, bigint>;
  /** Whether any usage of it was counted, even if it was all taken back. */
  readonly isListed: boolean;
}

export interface OwnCountOptions {
  readonly client: KafkaClient;
  readonly topics: readonly RecountedTopic[];
  readonly store: SumStore<CountState>;
  readonly state: CountState;
  /** Called for each project whose sums change. */
  readonly onChange?: (shard: number, month: string, project: string) => void;
  readonly onRead?: (records: number) => void;
}

const IDENTITY_LENGTH = 16;
const VOID = 'void';

/**
 * Counts events in sums on disk, up to offsets that the caller names. It shares only the decoding
 * and the rating of a record with the consumers. Identities are 96 bits of SHA-1 here, and this
 * file alone decides about duplicates, late usage, voids and sums.
 */
export class OwnCount {
  readonly counts = { read: 0, counted: 0, repeats: 0, late: 0, voided: 0 };
  private readonly tails = new Map<string, LogTail>();

  constructor(private readonly options: OwnCountOptions) {}

  get state(): CountState {
    return this.options.state;
  }

  /**
   * Continues to count one shard, up to these cursors. Earlier events stay counted.
   *
   * @param freezes all of the shard's, in order of month
   * @throws TallymanError `EVENTS_GONE`, `LOG_STALLED`
   */
  async advance(shard: number, cursors: ReadonlyMap<string, number>, freezes: CutOffs): Promise<void> {
    const state = this.options.state.shards[shard]!;
    state.freezes = Object.fromEntries([...freezes].map(([month, at]) => [month, Object.fromEntries(at)]));
    for (const topic of this.options.topics) {
      const parts = Object.entries(state.next).flatMap(([lane, from]) => {
        const place = placeOf(lane, shard);
        return place.topic === topic.topic ? [{ place, lane, from, to: cursors.get(lane) ?? 0 }] : [];
      });
      for (const part of inOrderOfPeriods(freezes, parts))
        await this.advanceLane(shard, state, topic, part, freezes);
    }
  }

  /** Stores the progress of the count. */
  async commit(): Promise<void> {
    await this.options.store.commit(this.options.state, (group) => !this.isForgotten(group));
  }

  read(shard: number, month: string, project: string): CountedMonth {
    const totals = new Map<string, bigint>();
    const daily = new Map<string, bigint>();
    let isListed = false;
    for (const [field, sum] of this.options.store.fieldsOf(sumGroup(shard, month, project))) {
      if (field === LISTED) isListed = true;
      else (field.startsWith('t') ? totals : daily).set(field.slice(1), sum);
    }
    return { totals, daily, isListed };
  }

  /** The next projects after `after`, in order, with usage in a month. */
  projectsAfter(shard: number, month: string, after: string, limit: number): string[] {
    const prefix = sumGroup(shard, month, '');
    return this.options.store
      .groupsAfter(prefix, after === '' ? '' : prefix + after, limit)
      .map((group) => group.slice(prefix.length));
  }

  /** The months with usage in a shard. */
  months(shard: number): string[] {
    const found: string[] = [];
    const prefix = `s${shard}${SEPARATOR}`;
    for (let after = ''; ;) {
      const [group] = this.options.store.groupsAfter(prefix, after, 1);
      if (group === undefined) return found;
      const month = monthOf(group.slice(prefix.length));
      found.push(month);
      after = `${prefix}${month}${SEPARATOR}\uffff`;
    }
  }

  private async advanceLane(
    shard: number,
    state: ShardState,
    { topic, rate }: RecountedTopic,
    { place, lane, from, to }: LogPart & { readonly place: ReturnType<typeof placeOf> },
    freezes: CutOffs,
  ): Promise<void> {
    const name = `${topic}/${place.partition}`;
    let tail = this.tails.get(name);
    if (tail === undefined) {
      tail = new LogTail(this.options.client, place, from);
      this.tails.set(name, tail);
    }
    const period = periodOf(freezes, lane, from);
    for await (const records of tail.upTo(to)) {
      for (const record of records) {
        const rated = rate(record);
        if (rated.ok) this.count(shard, topic, period, rated.event);
        state.next[lane] = record.offset + 1;
        // The commit is here, not after the page, because a page may need too much memory.
        if (this.options.store.isFull) await this.commit();
      }
      this.counts.read += records.length;
      this.options.onRead?.(records.length);
    }
    state.next[lane] = to;
  }

  private count(shard: number, topic: string, period: Period, event: RatedEvent): void {
    const { month, project, day, usages, isVoid } = event;
    const { openMonth } = period;
    const identity = createHash('sha1')
      .update(JSON.stringify([project, event.source, event.id]))
      .digest('base64')
      .slice(0, IDENTITY_LENGTH);
    const isLate = openMonth !== undefined && month < openMonth;
    const bill = isLate ? openMonth : month;
    let sign = 1n;
    if (isVoid) {
      if (this.isKnown(shard, topic + VOID, period, identity)) {
        this.counts.repeats += 1;
        return;
      }
      const wasCounted = this.isKnown(shard, topic, period, identity);
      if (wasCounted && !this.holds(shard, bill, event)) return; // A dead letter does not use up its id.
      this.remember(shard, topic + VOID, period, identity);
      this.remember(shard, topic, period, identity);
      if (!wasCounted) return;
      this.counts.voided += 1;
      sign = -1n;
    } else if (this.isKnown(shard, topic, period, identity)) {
      this.counts.repeats += 1;
      return;
    } else {
      this.remember(shard, topic, period, identity);
      this.counts.counted += 1;
      if (isLate) this.counts.late += 1;
    }
    if (usages.length === 0) return;
    const { store, onChange } = this.options;
    const group = sumGroup(shard, bill, project);
    for (const { meter, model, quantity } of usages) {
      const key = wellFormed(meterKey(meter, model));
      const amount = sign * BigInt(quantity);
      store.add(group, `t${isLate ? `${month}@${key}` : key}`, amount);
      store.add(group, `d${day}/${key}`, amount);
    }
    store.add(group, LISTED, 1n);
    onChange?.(shard, bill, project);
  }

  /**
   * Whether the day of a voided event still holds the quantity to subtract, over all months that
   * billed its usage.
   */
  private holds(shard: number, bill: string, { project, month, day, usages }: RatedEvent): boolean {
    const claimed = new Map<string, bigint>();
    for (const { meter, model, quantity } of usages) {
      const field = `d${day}/${wellFormed(meterKey(meter, model))}`;
      claimed.set(field, (claimed.get(field) ?? 0n) + BigInt(quantity));
    }
    const months: string[] = [];
    for (let of = month; of <= bill; of = nextMonth(of)) months.push(of);
    return [...claimed].every(([field, quantity]) => {
      const held = months.map((of) => this.options.store.get(sumGroup(shard, of, project), field));
      return held.reduce((sum, one) => sum + one, 0n) >= quantity;
    });
  }

  private isKnown(shard: number, topic: string, { number }: Period, identity: string): boolean {
    const { store } = this.options;
    return [number, number - 1].some((of) => store.get(idGroup(of, shard, topic), identity) > 0n);
  }

  private remember(shard: number, topic: string, { number }: Period, identity: string): void {
    const group = idGroup(number, shard, topic);
    if (this.options.store.get(group, identity) === 0n) this.options.store.add(group, identity, 1n);
  }

  /** Identities are looked up in their own period and the next. */
  private isForgotten(group: string): boolean {
    if (!group.startsWith('i')) return false;
    const [of, shard, topic] = group.slice(1).split(SEPARATOR) as [string, string, string];
    const state = this.options.state.shards[Number(shard)];
    const name = topic.endsWith(VOID) ? topic.slice(0, -VOID.length) : topic;
    const lanes = Object.entries(state?.next ?? {}).filter(
      ([lane]) => placeOf(lane, Number(shard)).topic === name,
    );
    // Partitions that are behind still need what the others do not.
    return (
      lanes.every(([lane, next]) => Number(of) < periodOf(freezesOf(state!), lane, next).number - 1) &&
      lanes.length > 0
    );
  }
}

export function freezesOf({ freezes }: ShardState): Map<string, ReadonlyMap<string, number>> {
  const sorted = Object.entries(freezes).sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(sorted.map(([month, at]) => [month, new Map(Object.entries(at))]));
}

const LISTED = 'n';

const sumGroup = (shard: number, month: string, project: string): string =>
  `s${shard}${SEPARATOR}${month}${SEPARATOR}${project}`;

const idGroup = (period: number, shard: number, topic: string): string =>
  `i${period}${SEPARATOR}${shard}${SEPARATOR}${topic}`;

/** Redis holds UTF-8, which cannot hold half of a surrogate pair. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
