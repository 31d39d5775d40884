import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usageConsumers } from '../../../consumers';
import { rateMessage, type RatingContext } from '../../../consumers/decode/rate-message';
import type { CloseRecord } from '../../../schemas/types';
import type { CountingRecord } from '../../installation/recorded-settings';
import { readCloseRecords } from '../../installation/ledgers/restore-closes';
import { replayHorizon } from '../../installation/replay-horizon';
import { TallymanError } from '../../lib/errors';
import type { Progress } from '../../lib/progress';
import type { KafkaClient } from '../../kafka/client';
import { logRanges, topicName } from '../../kafka/topics/topics';
import { eachPageOfListed } from '../../redis/usage/left-months';
import { placeOf } from '../../redis/usage/lanes';
import { readShard } from '../../redis/usage/read-shard';
import type { Store } from '../../redis/store';
import { compareOwnCount } from './compare-own-count';
import type { Difference } from '../compare/difference';
import { OwnCount, type CountState } from './own-count';
import { SumStore } from './sum-store';
import { monthOf } from '../../rating/month';

export interface MonthRecount {
  readonly client: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  readonly rating: RatingContext;
  /** What `checkCountingSettings` returns. */
  readonly counting: CountingRecord;
  /** The month to recount. Its close is in the ledger, so it is frozen. */
  readonly month: string;
  readonly progress?: Progress;
}

const PAGE_PROJECTS = 50;
/** How many differences of a project are kept. The first ones are enough to hold it. */
const SHOWN_PER_PROJECT = 20;

/**
 * Recounts a frozen month from the log, on disk and in bounded memory, and compares Redis with the
 * recount. Earlier months are compared for the projects whose late usage is priced by them, as far
 * as the log reaches.
 *
 * @returns project -> how Redis differs from the log; empty if nothing differs
 * @throws TallymanError `CANNOT_RECOUNT` when retention has removed a part of the month
 * @throws TallymanError `EVENTS_GONE`, `LOG_STALLED`
 * @throws TallymanError `NO_SCRATCH_SPACE`
 */
export async function recountMonth(options: MonthRecount): Promise<ReadonlyMap<string, Difference[]>> {
  const records = await readCloseRecords(options.client, options.prefix);
  const recount = { ...options, closes: [...records.values()].filter(({ month }) => month <= options.month) };
  const directory = scratchDirectory();
  const sums = SumStore.open<CountState>(directory);
  try {
    return await recountIn(sums, recount);
  } finally {
    sums.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Checked before a month is frozen for a recount that cannot run.
 *
 * @throws TallymanError `NO_SCRATCH_SPACE`
 */
export function checkScratchSpace(): void {
  rmSync(scratchDirectory(), { recursive: true, force: true });
}

function scratchDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'tallyman-recount-'));
  } catch (error) {
    throw new TallymanError(
      'NO_SCRATCH_SPACE',
      `The recount needs a directory for its files: ${(error as Error).message}. Set TMPDIR to a directory that can be written.`,
      { directory: tmpdir() },
    );
  }
}

interface Recount extends MonthRecount {
  /** The closes up to this month, in order. */
  readonly closes: readonly CloseRecord[];
}

async function recountIn(
  sums: SumStore<CountState>,
  recount: Recount,
): Promise<ReadonlyMap<string, Difference[]>> {
  const { client, prefix, rating, counting, closes, month, progress } = recount;
  const topics = usageConsumers.map((consumer) => ({
    topic: topicName(prefix, consumer.topic),
    rate: (message: Parameters<typeof rateMessage>[1]) => rateMessage(consumer, message, rating),
  }));
  const ranges = await logRanges(
    client,
    topics.map(({ topic }) => topic),
  );
  const targets = closes.find((close) => close.month === month)?.cursors ?? {};
  const state: CountState = { basis: 'recount', shards: {} };
  let total = 0;
  for (const [name, cursors] of Object.entries(targets)) {
    const shard = Number(name);
    const starts: Record<string, number> = {};
    // A partition that the cut-off does not name was added after it.
    for (const lane of new Set([...topics.map(({ topic }) => topic), ...Object.keys(cursors)])) {
      const { topic, partition } = placeOf(lane, shard);
      const begin = counting.begins.get(shard)?.get(lane) ?? 0;
      starts[lane] = Math.max(begin, ranges.get(topic)?.[partition]?.start ?? 0);
      total += Math.max(0, (cursors[lane] ?? 0) - starts[lane]);
    }
    state.shards[shard] = { starts, next: { ...starts }, freezes: {} };
  }
  let read = 0;
  const own = new OwnCount({
    ...{ client, topics, store: sums, state },
    onRead: (records) => progress?.update((read += records), total),
  });
  const judge = new Judge(recount, own);
  judge.checkCovered(month);

  const found = new Map<string, Difference[]>();
  for (const [name, cursors] of Object.entries(targets)) {
    const shard = Number(name);
    await own.advance(shard, new Map(Object.entries(cursors)), freezesOfShard(closes, shard));
    for (const difference of await judge.compareShard(shard)) {
      const ofProject = found.get(difference.project!) ?? [];
      if (ofProject.length < SHOWN_PER_PROJECT) ofProject.push(difference);
      found.set(difference.project!, ofProject);
    }
  }
  return found;
}

/**
 * A shard that a close does not name was added after it, so all its usage is after that cut-off.
 */
function freezesOfShard(
  closes: readonly CloseRecord[],
  shard: number,
): Map<string, ReadonlyMap<string, number>> {
  return new Map(
    closes.map(({ month, cursors }) => [month, new Map(Object.entries(cursors[shard] ?? {}))] as const),
  );
}

class Judge {
  private readonly covered = new Map<string, boolean>();

  constructor(
    private readonly recount: Recount,
    private readonly own: OwnCount,
  ) {}

  /** @throws TallymanError `CANNOT_RECOUNT` */
  checkCovered(month: string): void {
    const gap = this.gapOf(month);
    if (gap === undefined) return;
    const { topic, partition, start, needed } = gap;
    throw new TallymanError(
      'CANNOT_RECOUNT',
      `${month} cannot be recounted: ${topic}/${partition} begins at offset ${start}, and the recount needs the log from ` +
        `${needed}. Keep usage topics for longer. To close this month without a recount, run the close without --verify.`,
      { month, topic, partition, start, needed },
    );
  }

  async compareShard(shard: number): Promise<Difference[]> {
    const { month } = this.recount;
    const found: Difference[] = [];
    const earlier = new Map<string, string[]>();
    for await (const projects of this.pages(shard, month)) {
      const { months } = await readShard(this.recount.store, shard, month, projects);
      for (const held of months) {
        found.push(...compareOwnCount(this.own, shard, month, held));
        for (const late of this.pricedLate(shard, held.project)) {
          const together = earlier.get(late) ?? [];
          together.push(held.project);
          earlier.set(late, together);
        }
      }
      for (const [of, some] of earlier) {
        const held = await readShard(this.recount.store, shard, of, some);
        for (const one of held.months) found.push(...compareOwnCount(this.own, shard, of, one));
      }
      earlier.clear();
    }
    return found;
  }

  /**
   * The earlier months that decide the price of this month's late usage, if they can be recounted.
   */
  private pricedLate(shard: number, project: string): string[] {
    const { month, rating } = this.recount;
    const days = [...this.own.read(shard, month, project).daily.keys()];
    const first = days.map(monthOf).reduce((a, b) => (a < b ? a : b), month);
    const months: string[] = [];
    for (let of = first; of < month; of = rating.calendar.nextMonth(of)) {
      if (!this.covered.has(of)) this.covered.set(of, this.gapOf(of) === undefined);
      if (this.covered.get(of)) months.push(of);
    }
    return months;
  }

  private gapOf(
    month: string,
  ): { topic: string; partition: number; start: number; needed: number } | undefined {
    const { rating, closes, counting } = this.recount;
    for (const [name, { starts }] of Object.entries(this.own.state.shards)) {
      const shard = Number(name);
      for (const [lane, start] of Object.entries(starts)) {
        const begin = counting.begins.get(shard)?.get(lane) ?? 0;
        const { calendar, limits } = rating;
        const needed = replayHorizon(month, {
          ...{ shard, lane, closes, begin, calendar },
          futureMs: limits.futureMs,
        });
        if (start > needed) return { ...placeOf(lane, shard), start, needed };
      }
    }
    return undefined;
  }

  /** The projects that Redis or the recount contains in a month. */
  private async *pages(shard: number, month: string): AsyncGenerator<string[], void, undefined> {
    const { store } = this.recount;
    for (let after = ''; ;) {
      const projects = this.own.projectsAfter(shard, month, after, PAGE_PROJECTS);
      if (projects.length === 0) break;
      after = projects.at(-1)!;
      yield projects;
    }
    for await (const members of eachPageOfListed(store, shard, month)) {
      const unknown = members.filter((project) => !this.own.read(shard, month, project).isListed);
      for (let from = 0; from < unknown.length; from += PAGE_PROJECTS)
        yield unknown.slice(from, from + PAGE_PROJECTS);
    }
  }
}
