import { usageConsumers } from '../../../consumers';
import { rateMessage, type RatingContext } from '../../../consumers/decode/rate-message';
import type { CloseRecord, Layout } from '../../../schemas/types';
import type { CountingRecord } from '../../installation/recorded-settings';
import { replayHorizon } from '../../installation/replay-horizon';
import { readCloseRecords } from '../../installation/ledgers/restore-closes';
import { TallymanError } from '../../lib/errors';
import type { Logger } from '../../lib/logger';
import type { KafkaClient } from '../../kafka/client';
import { checkLayout, layoutOf } from '../../installation/layout';
import { laneOf, partitionsOf, placeOf } from '../../redis/usage/lanes';
import { checkCoPartitioned, logEnds, logRanges, topicName, type LogRange } from '../../kafka/topics/topics';
import { eachPageOfTotalsKeys } from '../../redis/scan';
import { eachPageOfListed } from '../../redis/usage/left-months';
import { readShard, type ShardSnapshot } from '../../redis/usage/read-shard';
import type { Store } from '../../redis/store';
import { compareOwnCount } from './compare-own-count';
import { daysThatDoNotAddUp } from '../compare/compare-shard';
import { compareViews } from '../compare/compare-views';
import type { Difference } from '../compare/difference';
import { freezesOf, OwnCount, type CountState, type ShardState } from './own-count';
import { endOfEarliestPeriod } from '../dedup-window';
import type { RecountedTopic } from '../shard-recount';
import { StandingDifferences } from './standing-differences';
import type { SumStore } from './sum-store';

export interface FollowerOptions {
  readonly client: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  readonly rating: RatingContext;
  readonly counting: CountingRecord;
  /**
   * The settings that decide how an event counts, as text. If they change, the count begins again.
   */
  readonly basis: string;
  readonly sums: SumStore<CountState>;
  readonly logger: Logger;
  /** Checked between the steps of a long round. If true, the round ends early. */
  readonly isStopped: () => boolean;
}

/** The progress of the follower. */
export interface FollowerStatus {
  /** How many offsets of the log the second count has not reached, and how many it reads in all. */
  readonly left: number;
  readonly total: number;
  readonly read: number;
  /**
   * On a monotonic clock, in ms: when the last round ended, and the last sweep. undefined before
   * the first.
   */
  readonly roundAt: number | undefined;
  readonly sweptAt: number | undefined;
  readonly sweepMs: number | undefined;
}

/** How many projects are read in one atomic step, which must not hold up the consumers. */
const PAGE_PROJECTS = 50;
/** Changed projects beyond this many wait for the sweep. */
const CHANGED_MAX = 20_000;
/** How long each round compares changed projects, and how long it sweeps. */
const TURN_MS = 1_500;
/** A sweep begins this long after the previous one began, or at once if that one took longer. */
const SWEEP_EVERY_MS = 20_000;
/**
 * Views are compared this long after the last comparison, or after ten times as long as it took.
 */
const VIEWS_EVERY_MS = 20_000;
const VIEWS_REST = 10;
/** How many offsets of a topic are counted before the follower checks whether it has to stop. */
const STEP = 20_000;
const COMMIT_EVERY_MS = 30_000;
/** If Redis went back, the consumers refill it. After this time it is reported as a difference. */
const BEHIND_MS = 30_000;

interface Page {
  readonly shard: number;
  readonly month: string;
  readonly projects: readonly string[];
}

/**
 * Keeps a second count beside the consumers and compares Redis with it continuously: changes at
 * once, and everything in turn. The count follows the cursors of Redis, and is compared only when
 * both are at the same offsets.
 */
export class Follower {
  readonly differences: StandingDifferences;
  private own!: OwnCount;
  private closes: CloseRecord[] = [];
  private closesEnd = -1;
  private ranges: ReadonlyMap<string, readonly LogRange[]> = new Map();
  private layout: Layout = { shards: 0, partitions: 0 };
  private changed = new Map<string, Set<string>>();
  private changedCount = 0;
  private sweep: AsyncGenerator<Page, void, undefined> | undefined;
  private sweepBeganAt = Number.NEGATIVE_INFINITY;
  private viewsDueAt = Number.NEGATIVE_INFINITY;
  private viewsCompared = 0;
  private committedAt = performance.now();
  private readonly behindSince = new Map<string, number>();
  private readonly waiting = new Set<number>();
  private readonly topics: readonly RecountedTopic[];
  private isSweepWhole = true;
  private sweeps = 0;
  private current = {
    read: 0,
    roundAt: undefined as number | undefined,
    sweptAt: undefined as number | undefined,
    sweepMs: undefined as number | undefined,
  };

  constructor(private readonly options: FollowerOptions) {
    const { prefix, rating, logger } = options;
    this.differences = new StandingDifferences(logger);
    this.topics = usageConsumers.map((consumer) => ({
      topic: topicName(prefix, consumer.topic),
      rate: (message) => rateMessage(consumer, message, rating),
    }));
    const { state } = options.sums;
    if (state === undefined || state.basis !== options.basis) this.beginAnew();
    else this.own = this.countFrom(state);
  }

  get status(): FollowerStatus {
    let [left, total] = [0, 0];
    for (const [name, { starts, next }] of Object.entries(this.own.state.shards)) {
      for (const [lane, at] of Object.entries(next)) {
        const { topic, partition } = placeOf(lane, Number(name));
        const end = this.ranges.get(topic)?.[partition]?.end ?? at;
        left += Math.max(0, end - at);
        total += Math.max(0, end - starts[lane]!);
      }
    }
    return { ...this.current, left, total };
  }

  /**
   * Whether everything was compared since this was created: every project of every shard, and the
   * views. If a shard cannot be compared, a difference is enough.
   */
  get hasSeenAll(): boolean {
    if (this.viewsCompared === 0) return false;
    return this.current.sweptAt !== undefined || (this.sweeps > 0 && this.differences.count > 0);
  }

  /** Whether the next round has work that does not wait for new events. */
  get isBusy(): boolean {
    return this.sweep !== undefined || this.changedCount > 0;
  }

  /**
   * Counts up to the cursors, and compares what has changed and a part of the rest.
   *
   * @throws TallymanError as `checkCoPartitioned` and reading the log and Redis do
   */
  async round(): Promise<void> {
    try {
      await this.readLedgers();
      for (let shard = 0; shard < this.layout.shards && !this.options.isStopped(); shard += 1) {
        await this.level(shard);
      }
      if (this.options.isStopped()) return;
      await this.compareChanged();
      await this.sweepOn();
    } catch (error) {
      // A count is useless if it lost its place in the log, or if it was made with a cut-off that
      // did not last.
      const code = error instanceof TallymanError ? error.code : undefined;
      if (code !== 'EVENTS_GONE' && code !== 'OTHER_FREEZE') throw error;
      this.options.logger.warn(
        { code },
        `counting again from the start of the log: ${(error as Error).message}`,
      );
      this.beginAnew();
      return;
    }
    await this.compareViewsIfDue();
    if (performance.now() - this.committedAt > COMMIT_EVERY_MS) await this.commit();
    this.current.roundAt = performance.now();
  }

  /** Stores the progress of the count, so that the next process continues from there. */
  async commit(): Promise<void> {
    await this.own.commit();
    this.committedAt = performance.now();
  }

  private beginAnew(): void {
    this.options.sums.clear();
    this.own = this.countFrom({ basis: this.options.basis, shards: {} });
    this.changed.clear();
    this.changedCount = 0;
    this.sweep = undefined;
    this.sweepBeganAt = Number.NEGATIVE_INFINITY;
    this.current.sweptAt = undefined;
    this.differences?.forget((place) => place.startsWith('month/'));
  }

  private countFrom(state: CountState): OwnCount {
    const { client, sums } = this.options;
    return new OwnCount({
      ...{ client, topics: this.topics, store: sums, state },
      onRead: (records) => void (this.current.read += records),
      onChange: (shard, month, project) => this.noteChange(`${shard}/${month}`, project),
    });
  }

  private noteChange(place: string, project: string): void {
    if (this.changedCount >= CHANGED_MAX) return;
    const projects = this.changed.get(place) ?? new Set();
    if (!projects.has(project)) this.changedCount += 1;
    this.changed.set(place, projects.add(project));
  }

  /** The ledgers decide how many shards there are, and which months are closed. */
  private async readLedgers(): Promise<void> {
    const { client, store, prefix } = this.options;
    this.layout = await this.readLayout();
    const { shards } = this.layout;
    const topic = topicName(prefix, 'billing.closes');
    const end = (await logEnds(client, [topic])).get(topic)?.[0] ?? 0;
    if (end !== this.closesEnd) {
      this.closes = [...(await readCloseRecords(client, prefix)).values()];
      this.closesEnd = end;
    }
    const names = this.topics.map((one) => one.topic);
    this.ranges = await logRanges(client, names);
    for (let shard = 0; shard < shards; shard += 1) this.addLanes(shard);
    const noted = await store.redis.get(store.keys.shardCount);
    const expected = String(shards);
    this.differences.set('shards', noted === expected ? [] : [{ kind: 'shards', expected, found: noted }]);
    this.waiting.clear();
  }

  /** Reads the ledger of settings only if partitions were added since the start. */
  private async readLayout(): Promise<Layout> {
    const { client, prefix, counting } = this.options;
    const partitions = await checkCoPartitioned(client, prefix);
    const known = this.layout.shards > 0 ? this.layout : layoutOf(counting, partitions);
    return partitions > known.partitions ? checkLayout(client, prefix) : { ...known, partitions };
  }

  /** Begins to count the partitions of a shard that are not counted yet. */
  private addLanes(shard: number): void {
    const state = (this.own.state.shards[shard] ??= { starts: {}, next: {}, freezes: {} });
    for (const { topic } of this.topics) {
      for (const partition of partitionsOf(shard, this.layout)) {
        const lane = laneOf(topic, partition, this.layout.shards);
        if (state.next[lane] !== undefined) continue;
        const start = this.ranges.get(topic)?.[partition]?.start ?? 0;
        state.starts[lane] = state.next[lane] = Math.max(this.beginOf(shard, lane), start);
      }
    }
  }

  private beginOf(shard: number, lane: string): number {
    return this.options.counting.begins.get(shard)?.get(lane) ?? 0;
  }

  private async level(shard: number): Promise<void> {
    const snapshot = await readShard(this.options.store, shard, '', []);
    this.compareFreezes(shard, snapshot);
    await this.follow(shard, snapshot);
  }

  /**
   * Counts up to the cursors of a snapshot.
   *
   * @returns false if the snapshot is behind the second count, or outside of the log, so that it
   *   cannot be compared
   */
  private async follow(shard: number, { cursors, freezes }: ShardSnapshot): Promise<boolean> {
    const found: Difference[] = [];
    let isComparable = true;
    const state = this.own.state.shards[shard]!;
    for (const [lane, next] of Object.entries(state.next)) {
      const cursor = cursors.get(lane);
      const place = `${shard} ${lane}`;
      const end = cursor === undefined ? 0 : await this.endOf(lane, shard, cursor);
      const isBehind = cursor === undefined || cursor < next;
      if (!isBehind && cursor <= end) {
        this.behindSince.delete(place);
        continue;
      }
      isComparable = false;
      const since = this.behindSince.get(place) ?? performance.now();
      this.behindSince.set(place, since);
      if (cursor !== undefined && isBehind && performance.now() - since < BEHIND_MS) continue;
      found.push({
        ...{ kind: 'cursor', shard, field: lane, found: cursor === undefined ? null : String(cursor) },
        expected: isBehind ? `${next} or higher` : `at most ${end}`,
      });
    }
    this.differences.set(`cursor/${shard}`, found);
    if (!isComparable) {
      this.waiting.add(shard);
      return false;
    }
    const used = this.freezesFor(shard, freezes);
    checkFreezes(shard, state, used);
    return this.advance(shard, cursors, used);
  }

  /**
   * Counts in steps, so that a first count of a long log can be stopped and keeps what is counted
   * by then.
   */
  private async advance(
    shard: number,
    cursors: ReadonlyMap<string, number>,
    freezes: ReadonlyMap<string, ReadonlyMap<string, number>>,
  ): Promise<boolean> {
    const { next } = this.own.state.shards[shard]!;
    // A partition may have been added since the layout was read.
    const known = [...cursors].filter(([lane]) => next[lane] !== undefined);
    for (;;) {
      const step = new Map(
        known.map(([lane, to]) => {
          const { topic } = placeOf(lane, shard);
          const lanes = known
            .map(([other]) => other)
            .filter((other) => placeOf(other, shard).topic === topic);
          const at = lanes.map((other) => ({ lane: other, next: next[other]! }));
          return [lane, Math.min(to, next[lane]! + STEP, endOfEarliestPeriod(freezes, at, lane))] as const;
        }),
      );
      const isMoving = [...step].some(([lane, to]) => to > next[lane]!);
      await this.own.advance(shard, step, freezes);
      if (known.every(([lane, to]) => next[lane]! >= to)) return true;
      // In a Redis that is whole, no partition is past a cut-off that another one has not reached.
      if (!isMoving) return false;
      if (this.options.isStopped()) return false;
    }
  }

  private async endOf(lane: string, shard: number, cursor: number): Promise<number> {
    const { topic, partition } = placeOf(lane, shard);
    const known = this.ranges.get(topic)?.[partition]?.end ?? 0;
    if (cursor <= known) return known;
    const names = this.topics.map((one) => one.topic);
    this.ranges = await logRanges(this.options.client, names);
    return this.ranges.get(topic)?.[partition]?.end ?? 0;
  }

  /**
   * The cut-offs in the ledger, and those of a close that runs, which are in Redis before they are
   * recorded.
   */
  private freezesFor(
    shard: number,
    found: ShardSnapshot['freezes'],
  ): Map<string, ReadonlyMap<string, number>> {
    const all = new Map(found);
    for (const { month, cursors } of this.closes)
      all.set(month, new Map(Object.entries(cursors[shard] ?? {})));
    return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  private compareFreezes(shard: number, { freezes }: ShardSnapshot): void {
    const { calendar } = this.options.rating;
    const recorded = new Map(this.closes.map(({ month, cursors }) => [month, cursors[shard] ?? {}]));
    const found: Difference[] = [];
    for (const month of new Set([...recorded.keys(), ...freezes.keys()])) {
      const ledger = recorded.get(month);
      // A close makes its cut-offs before it is recorded. No close can make one for a month that is
      // not over.
      if (ledger === undefined && calendar.monthEnd(month) <= Date.now()) continue;
      const expected = shownCursors(ledger ?? {});
      const shown = shownCursors(Object.fromEntries(freezes.get(month) ?? []));
      if (expected !== shown) found.push({ kind: 'freeze', month, shard, expected, found: shown });
    }
    this.differences.set(`freeze/${shard}`, found);
  }

  private async compareChanged(): Promise<void> {
    const until = performance.now() + TURN_MS;
    for (const [place, projects] of [...this.changed]) {
      const [shard, month] = [Number(place.split('/')[0]), place.split('/')[1]!];
      if (this.waiting.has(shard)) continue;
      const all = [...projects];
      for (let from = 0; from < all.length && performance.now() < until; from += PAGE_PROJECTS) {
        const page = all.slice(from, from + PAGE_PROJECTS);
        page.forEach((project) => projects.delete(project));
        this.changedCount -= page.length;
        await this.comparePage({ shard, month, projects: page });
      }
      if (projects.size === 0) this.changed.delete(place);
    }
  }

  private async sweepOn(): Promise<void> {
    const until = performance.now() + TURN_MS;
    if (this.sweep === undefined) {
      if (performance.now() - this.sweepBeganAt < SWEEP_EVERY_MS) return;
      this.sweepBeganAt = performance.now();
      this.sweep = this.pages();
      this.isSweepWhole = true;
    }
    while (performance.now() < until) {
      const { value, done } = await this.sweep.next();
      if (done === true) {
        this.sweep = undefined;
        this.sweeps += 1;
        if (!this.isSweepWhole) return;
        this.current.sweptAt = performance.now();
        this.current.sweepMs = performance.now() - this.sweepBeganAt;
        return;
      }
      if (this.waiting.has(value.shard) || !(await this.comparePage(value))) this.isSweepWhole = false;
    }
  }

  /** Everything that the second count or Redis contains, the newest month first. */
  private async *pages(): AsyncGenerator<Page, void, undefined> {
    const { store } = this.options;
    for (let shard = 0; shard < this.layout.shards; shard += 1) {
      for (const month of this.own.months(shard).reverse()) {
        for (let after = ''; ;) {
          const projects = this.own.projectsAfter(shard, month, after, PAGE_PROJECTS);
          if (projects.length === 0) break;
          after = projects.at(-1)!;
          yield { shard, month, projects };
        }
        for await (const members of eachPageOfListed(store, shard, month))
          yield* this.unknownOf(shard, month, members);
      }
    }
    for await (const keys of eachPageOfTotalsKeys(store)) {
      for (const { shard, month, project } of keys)
        if (shard < this.layout.shards) yield* this.unknownOf(shard, month, [project]);
    }
  }

  private *unknownOf(shard: number, month: string, projects: readonly string[]): Generator<Page> {
    const unknown = projects.filter((project) => !this.own.read(shard, month, project).isListed);
    for (let from = 0; from < unknown.length; from += PAGE_PROJECTS)
      yield { shard, month, projects: unknown.slice(from, from + PAGE_PROJECTS) };
  }

  /** @returns false if Redis is not at offsets where it can be compared */
  private async comparePage({ shard, month, projects }: Page): Promise<boolean> {
    const snapshot = await readShard(this.options.store, shard, month, projects);
    if (!(await this.follow(shard, snapshot))) return false;
    const isCovered = this.covers(month);
    for (const held of snapshot.months) {
      const { project } = held;
      const found = isCovered
        ? compareOwnCount(this.own, shard, month, held)
        : [...daysThatDoNotAddUp(month, held)].map((one) => ({ ...one, month, project, shard }));
      this.differences.set(`month/${shard}/${month}/${project}`, found);
    }
    return true;
  }

  /** Whether the second count began early enough to hold all of a month. */
  private covers(month: string): boolean {
    const { calendar, limits } = this.options.rating;
    return Object.entries(this.own.state.shards).every(([name, { starts }]) =>
      Object.entries(starts).every(([lane, start]) => {
        const shard = Number(name);
        const begin = this.beginOf(shard, lane);
        const coverage = { shard, lane, closes: this.closes, begin, calendar, futureMs: limits.futureMs };
        return start <= replayHorizon(month, coverage);
      }),
    );
  }

  private async compareViewsIfDue(): Promise<void> {
    const beganAt = performance.now();
    if (beganAt < this.viewsDueAt) return;
    const { client, store, prefix } = this.options;
    const found: Difference[] = [];
    await compareViews({ client, store, prefix, onDifference: (difference) => void found.push(difference) });
    this.differences.set('views', found);
    this.viewsCompared += 1;
    const tookMs = performance.now() - beganAt;
    this.viewsDueAt = performance.now() + Math.max(VIEWS_EVERY_MS, VIEWS_REST * tookMs);
  }
}

/**
 * A cut-off decides in which month an event is billed, so events that were counted with another one
 * were counted wrongly.
 */
function checkFreezes(
  shard: number,
  state: ShardState,
  freezes: ReadonlyMap<string, ReadonlyMap<string, number>>,
): void {
  const before = freezesOf(state);
  for (const month of new Set([...before.keys(), ...freezes.keys()])) {
    for (const [topic, next] of Object.entries(state.next)) {
      if (next === state.starts[topic]) continue; // Nothing has been counted yet.
      const [old, now] = [before, freezes].map((all) => offsetIn(all.get(month), topic)) as [number, number];
      if (old === now || next <= Math.min(old, now)) continue;
      throw new TallymanError('OTHER_FREEZE', `shard ${shard} was counted with another freeze of ${month}`, {
        ...{ shard, month, topic, counted: next },
      });
    }
  }
}

/**
 * A cut-off that does not name a topic is before all of it. A missing cut-off is after all of it.
 */
function offsetIn(freeze: ReadonlyMap<string, number> | undefined, topic: string): number {
  return freeze === undefined ? Number.POSITIVE_INFINITY : (freeze.get(topic) ?? 0);
}

function shownCursors(cursors: Readonly<Record<string, number>>): string | null {
  const sorted = Object.entries(cursors).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? null : JSON.stringify(Object.fromEntries(sorted));
}
