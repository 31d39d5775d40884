import { usageConsumers } from '../../consumers';
import { rateMessage, type RatingContext } from '../../consumers/decode/rate-message';
import type { Catalog } from '../billing/catalog/catalog';
import type { Seller } from '../billing/invoice/invoice';
import type { CloseRecord } from '../../schemas/types';
import { readCloseRecords } from '../installation/ledgers/restore-closes';
import { monthsFrozenTooEarly } from '../installation/ledgers/frozen-too-early';
import { readCloseState } from '../close/close-state';
import type { CountingRecord } from '../installation/recorded-settings';
import { TallymanError } from '../lib/errors';
import { createProgress, type Progress } from '../lib/progress';
import type { KafkaClient } from '../kafka/client';
import { logRanges, topicName, type LogRange } from '../kafka/topics/topics';
import { findDroppedKeys } from '../redis/checks/dropped-keys';
import { findTornShards } from '../redis/checks/find-double-counts';
import { laneOf, partitionsOf, shardOf } from '../redis/usage/lanes';
import { readShard, type ShardSnapshot } from '../redis/usage/read-shard';
import { readShardCount } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import { compareInvoices, type FieldCorrections } from './compare/compare-invoices';
import { compareMonth } from './compare/compare-shard';
import type { Collision, Conflict, Repeats } from './compare/compare-duplicates';
import { catchUpWholeViews, compareViews } from './compare/compare-views';
import { replayHorizon } from '../installation/replay-horizon';
import type { Difference } from './compare/difference';
import { ShardRecount, type RecountedTopic } from './shard-recount';

export interface VerifyOptions {
  readonly client: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  readonly rating: RatingContext;
  readonly catalog: Catalog;
  readonly seller: Seller | undefined;
  readonly counting: CountingRecord;
  /** The month to verify; if absent, every month that the log covers. */
  readonly month: string | undefined;
  readonly nowMs: number;
}

/** The result of a month. */
export interface MonthVerdict {
  readonly month: string;
  result: 'equal' | 'different' | 'not_judged';
  readonly closed: boolean;
  /** How many issued invoices were priced again. */
  invoices: number;
  differences: number;
  conflicts: number;
  conflictsThatCount: number;
  /**
   * For a month that cannot be verified: the first partition whose log does not reach back far
   * enough.
   */
  logTooShort?: {
    readonly topic: string;
    readonly partition: number;
    readonly start: number;
    readonly needed: number;
  };
}

export interface VerifyReport {
  readonly months: MonthVerdict[];
  /** At most DIFFERENCES_LISTED of them. Each month's number counts all. */
  readonly differences: Difference[];
  /** All differences, including those that belong to no month. */
  differenceCount: number;
  readonly conflicts: Conflict[];
  conflictCount: number;
  readonly collisions: Collision[];
  readonly events: {
    read: number;
    counted: number;
    duplicates: number;
    late: number;
    voided: number;
    unknownVoids: number;
    rejected: number;
  };
}

const LISTED_MAX = 10_000;

/**
 * Recounts the whole log in this process, and compares Redis and the issued invoices with the
 * result. It writes nothing, and consumers may run meanwhile. It keeps one shard in memory at a
 * time: its sums, and 16 to 46 bytes for each id of two periods.
 *
 * @throws TallymanError `UNINITIALISED`, `TOTALS_WENT_BACK`, `EVENTS_GONE`
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  return new Verification(options).run();
}

class Verification {
  private readonly report: VerifyReport = {
    months: [],
    differences: [],
    differenceCount: 0,
    conflicts: [],
    conflictCount: 0,
    collisions: [],
    events: { read: 0, counted: 0, duplicates: 0, late: 0, voided: 0, unknownVoids: 0, rejected: 0 },
  };
  private readonly verdicts = new Map<string, MonthVerdict>();
  private readonly corrections = new Map<string, Map<string, FieldCorrections>>();
  private readonly topics: readonly RecountedTopic[];
  private readonly progress: Progress;
  private closes: CloseRecord[] = [];
  private frozenTooEarly: ReadonlySet<string> = new Set();
  private ranges: ReadonlyMap<string, readonly LogRange[]> = new Map();
  private shardCount = 0;
  private total = 0;
  private readonly startedAt = performance.now();

  constructor(private readonly options: VerifyOptions) {
    const { prefix, rating } = options;
    this.topics = usageConsumers.map((consumer) => ({
      topic: topicName(prefix, consumer.topic),
      rate: (message) => rateMessage(consumer, message, rating),
    }));
    this.progress = createProgress('verify');
  }

  async run(): Promise<VerifyReport> {
    const { client, store, prefix, rating, nowMs } = this.options;
    await catchUpWholeViews({ client, store, prefix });
    await this.readCloses();
    const names = this.topics.map(({ topic }) => topic);
    this.ranges = await logRanges(client, names);
    for (const ranges of this.ranges.values()) for (const { start, end } of ranges) this.total += end - start;
    const shardCount = await readShardCount(store);
    this.shardCount = shardCount;
    const state = await readCloseState(store, rating.calendar, nowMs);
    for (const { month } of this.closes) this.verdictOf(month);
    for (const month of [...state.closedMonths, ...state.openMonthsWithUsage]) this.verdictOf(month);
    if (this.options.month !== undefined) this.verdictOf(this.options.month);
    this.frozenTooEarly = new Set(
      await monthsFrozenTooEarly(client, store, prefix, rating.calendar, state.frozenMonths),
    );
    await this.compareWhole(shardCount);

    for (let shard = 0; shard < shardCount; shard += 1) await this.compareShard(shard);
    this.progress.end();
    const pricing = createProgress('verify: invoices and ledgers');
    pricing.update(0);
    await this.compareClosedMonths();
    await compareViews({ client, store, prefix, onDifference: (difference) => this.note(difference) });
    pricing.end();
    return this.finished();
  }

  /** What makes everything in Redis doubtful, even if its sums agree by now. */
  private async compareWhole(shardCount: number): Promise<void> {
    const { store } = this.options;
    for (const { shard, problem } of await findTornShards(store, shardCount))
      this.note({ kind: 'torn', shard, expected: 'written as a whole', found: problem });
    for (const { node, code, problem } of await findDroppedKeys(store)) {
      if (code === 'REDIS_EVICTED')
        this.note({ kind: 'evicted', field: node, expected: null, found: problem });
    }
  }

  /** Read again for each shard, because a close may run meanwhile. */
  private async readCloses(): Promise<void> {
    const { client, prefix } = this.options;
    this.closes = [...(await readCloseRecords(client, prefix)).values()];
  }

  private async compareShard(shard: number): Promise<void> {
    const { client, store } = this.options;
    await this.readCloses();
    const first = await readShard(store, shard, '', []);
    const freezes = this.freezesOf(shard, first);
    this.compareFreezes(shard, first);
    const recount = new ShardRecount({
      ...{ client, shard, freezes },
      fingerprinter: store.fingerprinter,
      topics: this.topics,
      starts: await this.startsOf(shard, first),
      onRead: (records) => this.noteRead(records, shard),
      onRepeats: (repeats) => this.noteRepeats(repeats),
    });
    const follow = (snapshot: ShardSnapshot): Promise<void> =>
      recount.advance(snapshot.cursors, this.freezesOf(shard, snapshot));
    await follow(first);
    await recount.settle();
    for (const month of recount.months.keys()) this.verdictOf(month);

    const comparison = {
      ...{ store, shard, recount, follow },
      onDifference: (difference: Difference) => this.noteInMonth(difference),
    };
    for (const verdict of this.verdictsInScope()) {
      const logTooShort = this.logTooShortFor(verdict.month); // Read again, because retention may have removed its oldest events meanwhile.
      if (logTooShort) verdict.logTooShort = logTooShort;
      await compareMonth(comparison, verdict.month, verdict.logTooShort === undefined);
    }
    await recount.settle();
    for (const name of ['counted', 'duplicates', 'late', 'voided', 'unknownVoids', 'rejected'] as const)
      this.report.events[name] += recount.counts[name];
  }

  /**
   * The cut-offs of the ledger and of Redis: a close that runs makes them before they are recorded.
   */
  private freezesOf(shard: number, { freezes }: ShardSnapshot): Map<string, ReadonlyMap<string, number>> {
    const all = new Map(freezes);
    for (const { month, cursors } of this.closes) {
      const recorded = cursors[shard];
      if (recorded !== undefined) all.set(month, new Map(Object.entries(recorded)));
    }
    return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  private compareFreezes(shard: number, { freezes }: ShardSnapshot): void {
    const recorded = new Map(this.closes.map(({ month, cursors }) => [month, cursors[shard]]));
    const { rating, nowMs } = this.options;
    for (const month of new Set([...recorded.keys(), ...freezes.keys()])) {
      if (!this.isInScope(month)) continue;
      // A close makes its cut-offs before it is recorded, but only after the month's end.
      const isOver = rating.calendar.monthEnd(month) <= nowMs && !this.frozenTooEarly.has(month);
      if (!recorded.has(month) && isOver) continue;
      const expected = shownCursors(recorded.get(month));
      const found = shownCursors(Object.fromEntries(freezes.get(month) ?? []));
      if (expected !== found) this.note({ kind: 'freeze', month, shard, expected, found });
    }
  }

  /** The first offset to count: the log's start, but not before the offset of the first cursor. */
  private async startsOf(shard: number, { cursors }: ShardSnapshot): Promise<Map<string, number>> {
    // Looked up for each shard again: on a busy log, retention removes the oldest events during the
    // count.
    this.ranges = await logRanges(
      this.options.client,
      this.topics.map(({ topic }) => topic),
    );
    const starts = new Map<string, number>();
    for (const { topic } of this.topics) {
      const ranges = this.ranges.get(topic) ?? [];
      for (const partition of partitionsOf(shard, { shards: this.shardCount, partitions: ranges.length })) {
        const lane = laneOf(topic, partition, this.shardCount);
        const cursor = cursors.get(lane);
        if (cursor === undefined) {
          throw new TallymanError(
            'UNINITIALISED',
            `Redis holds no cursor of ${topic} partition ${partition}, so there is nothing to compare. If Redis was emptied, ` +
              'run `tallyman rebuild`.',
            { topic, partition },
          );
        }
        const start = ranges[partition]?.start ?? 0;
        if (cursor < start) {
          throw new TallymanError(
            'EVENTS_GONE',
            `${topic} partition ${partition} begins at offset ${start}, after the cursor ${cursor}. Its totals cannot be continued.`,
            { topic, partition, cursor, start },
          );
        }
        starts.set(lane, Math.max(start, this.beginOf(lane, shard)));
      }
    }
    return starts;
  }

  private beginOf(lane: string, shard: number): number {
    return this.options.counting.begins.get(shard)?.get(lane) ?? 0;
  }

  private async compareClosedMonths(): Promise<void> {
    const { store, catalog, seller, rating } = this.options;
    await this.readCloses();
    for (const { month, closedAt, completed } of this.closes) {
      if (!this.isInScope(month)) continue;
      const terms = {
        ...{ store, catalog, seller, month },
        calendar: rating.calendar,
        issuedAt: closedAt,
      };
      this.verdictOf(month).invoices = await compareInvoices(terms, this.corrections, {
        isComplete: completed === true,
        onDifference: (difference) => this.note(difference),
      });
    }
  }

  private verdictOf(month: string): MonthVerdict {
    let verdict = this.verdicts.get(month);
    if (verdict === undefined) {
      const logTooShort = this.logTooShortFor(month);
      verdict = {
        month,
        result: 'equal',
        closed: this.closes.some((close) => close.month === month),
        ...{ invoices: 0, differences: 0, conflicts: 0, conflictsThatCount: 0 },
        ...(logTooShort && { logTooShort }),
      };
      this.verdicts.set(month, verdict);
    }
    return verdict;
  }

  private logTooShortFor(month: string): MonthVerdict['logTooShort'] {
    const { rating } = this.options;
    for (const [topic, ranges] of this.ranges) {
      for (const [partition, { start }] of ranges.entries()) {
        const shard = shardOf(partition, this.shardCount);
        const lane = laneOf(topic, partition, this.shardCount);
        const needed = replayHorizon(month, {
          ...{ shard, lane, closes: this.closes, begin: this.beginOf(lane, shard) },
          calendar: rating.calendar,
          futureMs: rating.limits.futureMs,
        });
        if (start > needed) return { topic, partition, start, needed };
      }
    }
    return undefined;
  }

  private isInScope(month: string): boolean {
    return this.options.month === undefined || this.options.month === month;
  }

  private verdictsInScope(): MonthVerdict[] {
    return [...this.verdicts.values()].filter(({ month }) => this.isInScope(month)).sort(byMonth);
  }

  private noteRead(records: number, shard: number): void {
    this.report.events.read += records;
    const { read } = this.report.events;
    this.progress.update(read, this.total, `shard ${shard}, about ${this.timeLeft(read)} left`);
  }

  private timeLeft(read: number): string {
    const perRecordMs = (performance.now() - this.startedAt) / Math.max(1, read);
    const seconds = Math.ceil((Math.max(0, this.total - read) * perRecordMs) / 1000);
    return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
  }

  private noteRepeats({ conflicts, collisions }: Repeats): void {
    for (const conflict of conflicts) {
      if (!this.isInScope(conflict.month)) continue;
      const verdict = this.verdictOf(conflict.month);
      verdict.conflicts += 1;
      if (conflict.changesUsage) verdict.conflictsThatCount += 1;
      this.report.conflictCount += 1;
      if (this.report.conflicts.length < LISTED_MAX) this.report.conflicts.push(conflict);
    }
    for (const { first, unbilled } of collisions) {
      if (!this.isInScope(unbilled.month)) continue;
      this.report.collisions.push({ first, unbilled });
      const { month, project, topic, partition, offset } = unbilled;
      this.note({
        ...{ kind: 'collision', month, project, shard: shardOf(partition, this.shardCount) },
        field: `${topic}/${partition}/${offset}`,
        expected: 'counted',
        found: `taken for a duplicate of offset ${first.offset}`,
      });
    }
  }

  /** Notes a difference of a shard's sums, for the project's month. */
  private noteInMonth(difference: Difference): void {
    this.note(difference);
    const { kind, month, project, field, expected, found } = difference;
    if ((kind !== 'total' && kind !== 'daily') || !month || !project || !field) return;
    const projects = this.corrections.get(month) ?? new Map<string, FieldCorrections>();
    this.corrections.set(month, projects);
    const fields = projects.get(project) ?? { totals: new Map(), daily: new Map() };
    projects.set(project, fields);
    const sums = kind === 'total' ? fields.totals : fields.daily;
    sums.set(field, (sums.get(field) ?? 0n) + BigInt(expected ?? 0) - BigInt(found ?? 0));
  }

  private note(difference: Difference): void {
    const { month } = difference;
    if (month !== undefined && !this.isInScope(month)) return;
    if (month !== undefined) this.verdictOf(month).differences += 1;
    this.report.differenceCount += 1;
    if (this.report.differences.length < LISTED_MAX) this.report.differences.push(difference);
  }

  private finished(): VerifyReport {
    for (const verdict of this.verdictsInScope()) {
      if (verdict.differences > 0) verdict.result = 'different';
      else if (verdict.logTooShort) verdict.result = 'not_judged';
      this.report.months.push(verdict);
    }
    return this.report;
  }
}

function byMonth(a: { month: string }, b: { month: string }): number {
  return a.month < b.month ? -1 : 1;
}

/** With the topics in a fixed order, whoever wrote them. */
function shownCursors(cursors: Readonly<Record<string, number>> | undefined): string | null {
  const sorted = Object.entries(cursors ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? null : JSON.stringify(Object.fromEntries(sorted));
}
