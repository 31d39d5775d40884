import { readCloseState } from '../close/close-state';
import { readRecentDeadLetters, type RecentDeadLetters } from '../dead-letters/recent-dead-letters';
import type { LogPosition } from '../ingest/health/log-position';
import type { KafkaClient } from '../kafka/client';
import { parseCopy } from '../lib/document';
import { polled, type Polled } from '../lib/process/poller';
import { readWhole } from '../redis/rebuilding';
import type { CloseRecord } from '../../schemas/types';
import { readCutOffs } from '../redis/cut-offs';
import type { Store } from '../redis/store';
import { countProjects, readShardCount } from '../redis/usage/read-usage';
import { readCloses } from '../redis/views/closes';
import { readSpend, type Spend, type SpendSources } from './spend';

/**
 * The installation at one moment, for the people who run it. A field is undefined if it is not
 * known yet, or no longer known.
 */
export interface Overview {
  readonly nowMs: number;
  readonly month: string;
  readonly currency: string;
  readonly position: LogPosition | undefined;
  readonly deadLetters: RecentDeadLetters | undefined;
  readonly spend: Spend | undefined;
}

export interface MonthState {
  readonly month: string;
  /**
   * `closing`: a close has cut off at least one shard, and has not issued all invoices.
   * `unfinished`: the close has ended, and drafts or held projects are left.
   */
  readonly state: 'open' | 'due' | 'closing' | 'unfinished' | 'closed';
  readonly closedAt: string | undefined;
  /** Projects with usage. */
  readonly projects: number;
  /** Projects with an invoice or a credit note. */
  readonly invoiced: number;
  /** How many of the shards are cut off for the month. */
  readonly cutOff: { readonly shards: number; readonly of: number };
}

export interface OverviewSources extends SpendSources {
  readonly kafka: KafkaClient;
  readonly prefix: string;
  readonly position: () => LogPosition | undefined;
  /** Brings the views of the ledgers up to date, before projects are priced by them. */
  readonly catchUp?: () => Promise<unknown>;
}

/** What `top` and the page share. Expensive parts are read rarely, for all viewers together. */
export interface OverviewReader {
  readonly deadLetters: Polled<RecentDeadLetters>;
  readonly spend: Polled<Spend>;
  /** By the last answers. */
  overview(): Overview;
  /** The newest first. */
  readMonths(): Promise<readonly MonthState[]>;
  /** Their names alone, which is much less to read. */
  readMonthNames(): Promise<readonly string[]>;
}

const LETTERS_EVERY_MS = 2_000;
const LETTERS_PER_PARTITION = 100;
/** Pricing every project takes long if there are many. */
const SPEND_EVERY_MS = 30_000;
const MONTHS_SHOWN = 12;

export function createOverviewReader(sources: OverviewSources): OverviewReader {
  const { kafka, prefix, store, calendar, catalog, nowMs, position, catchUp } = sources;
  const deadLetters = polled(LETTERS_EVERY_MS, () =>
    readRecentDeadLetters(kafka, prefix, LETTERS_PER_PARTITION),
  );
  const spend = polled(SPEND_EVERY_MS, async () => {
    await catchUp?.();
    return readSpend(sources);
  });
  return {
    deadLetters,
    spend,
    overview: () => ({
      nowMs: nowMs(),
      month: calendar.monthOfMs(nowMs()),
      currency: catalog.currency,
      position: position(),
      deadLetters: deadLetters.latest(),
      spend: spend.latest(),
    }),
    readMonths: () => readWhole(store, () => readMonths(sources)),
    readMonthNames: () => readWhole(store, () => readMonthNames(sources)),
  };
}

async function readMonthNames({ store, calendar, nowMs }: OverviewSources): Promise<string[]> {
  const state = await readCloseState(store, calendar, nowMs());
  const current = calendar.monthOfMs(nowMs());
  const months = new Set([current, ...state.openMonthsWithUsage, ...state.closedMonths]);
  return [...months].sort().reverse().slice(0, MONTHS_SHOWN);
}

async function readMonths(sources: OverviewSources): Promise<MonthState[]> {
  const { store, calendar, nowMs } = sources;
  const [months, closes, freezes] = await Promise.all([
    readMonthNames(sources),
    readCloses(store),
    readAllCutOffs(store),
  ]);
  const current = calendar.monthOfMs(nowMs());
  return Promise.all(
    months.map(async (month): Promise<MonthState> => {
      const json = closes.get(month);
      const record = json && parseCopy('close.v1.json', json, `the close of ${month}`);
      const shards = freezes.filter((frozen) => frozen.has(month)).length;
      const isDue = month < current;
      return {
        month,
        state: record ? stateOf(record) : shards > 0 ? 'closing' : isDue ? 'due' : 'open',
        closedAt: record ? record.closedAt : undefined,
        projects: await countProjects(store, month),
        invoiced: await store.redis.scard(store.keys.invoiced(month)),
        cutOff: { shards, of: freezes.length },
      };
    }),
  );
}

const stateOf = ({ completed, issued }: CloseRecord): MonthState['state'] =>
  completed ? 'closed' : issued ? 'unfinished' : 'closing';

async function readAllCutOffs(store: Store): Promise<ReadonlyMap<string, unknown>[]> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  return Promise.all(shards.map((shard) => readCutOffs(store, shard)));
}
