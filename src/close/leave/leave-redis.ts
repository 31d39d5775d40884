import type { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../../kafka/client';
import type { Logger } from '../../lib/logger';
import { readCloseRecords } from '../../installation/ledgers/restore-closes';
import { beginLeaving, deleteLeaving, findDifference, monthDiffers } from '../../redis/usage/leave';
import { monthsThatLeft, readMonthIndex } from '../../redis/usage/left-months';
import { buildMonthIndex } from '../../redis/usage/month-index';
import { readShardCount } from '../../redis/usage/read-usage';
import { readWhole } from '../../redis/rebuilding';
import type { Store } from '../../redis/store';
import { indexLedger, type LedgerIndex } from './index-ledger';
import { monthsThatMayLeave, type Stay } from './may-leave';

export interface LeaveOptions extends Stay {
  readonly kafka: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  readonly logger: Logger;
}

/** The result for one month. */
export interface LeaveReport {
  readonly month: string;
  /** How many were deleted from Redis; absent in a rehearsal. */
  readonly projects?: number;
  /** Why it stays in Redis; absent if it has left. */
  readonly problem?: string;
}

/** A shard in which no project had usage. */
const NOTHING = buildMonthIndex([]);

/**
 * The months that would leave Redis now. A month of which Redis holds nothing any more is left out.
 */
export async function monthsToLeave({ kafka, store, prefix, ...stay }: LeaveOptions): Promise<string[]> {
  const months: string[] = [];
  for (const month of monthsThatMayLeave((await readCloseRecords(kafka, prefix)).values(), stay))
    if (!(await isGone(store, month))) months.push(month);
  return months;
}

/**
 * Lets closed months leave Redis. In each shard, it compares all of the month with the ledger, then
 * makes readers read the ledger, and deletes what it has compared last. Every step may be repeated,
 * so a run that was killed is continued by the next one. A month that cannot leave stays, with the
 * reason in the report.
 */
export async function letMonthsLeave(options: LeaveOptions): Promise<LeaveReport[]> {
  const { kafka, store, prefix, logger } = options;
  const reports: LeaveReport[] = [];
  for (const month of await monthsToLeave(options)) {
    try {
      const projects = await readWhole(store, () => leave(kafka, store, prefix, month));
      if (projects !== undefined) reports.push({ month, projects });
    } catch (error) {
      // Invoices may have been issued, so this run must still report them.
      logger.error({ err: error, month }, 'a closed month stays in Redis');
      reports.push({ month, problem: error instanceof Error ? error.message : String(error) });
    }
  }
  return reports;
}

/** @returns how many projects were deleted; undefined if the month was never published */
async function leave(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  month: string,
): Promise<number | undefined> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const begun = await Promise.all(shards.map((shard) => readMonthIndex(store, shard, month)));
  let held: LedgerIndex | undefined;
  if (begun.includes(undefined)) {
    held = await findInLedger(kafka, store, prefix, month, shards);
    // Its close came from a version that did not publish totals.
    if (held === undefined && begun.every((index) => index === undefined)) return undefined;
    if (held === undefined) throw notWhole(month);
  }
  const indexes = begun.map((index, shard) => index ?? held?.get(shard) ?? NOTHING);
  // All shards are compared before the first one changes.
  for (const shard of shards) {
    if (begun[shard] !== undefined) continue;
    const difference = await findDifference(store, shard, month, indexes[shard]!);
    if (difference !== undefined) throw monthDiffers(month, difference);
  }
  for (const shard of shards)
    if (begun[shard] === undefined) await beginLeaving(store, shard, month, indexes[shard]!);
  for (const shard of shards) await deleteLeaving(store, shard, month, indexes[shard]!);
  return indexes.reduce((sum, { projects }) => sum + projects, 0);
}

/**
 * Months are published in order, so a month is behind the one before, which left earlier.
 *
 * @returns undefined if the ledger holds nothing of the month
 */
async function findInLedger(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  month: string,
  shards: readonly number[],
): Promise<LedgerIndex | undefined> {
  const last = (await monthsThatLeft(store, shards.length)).findLast((earlier) => earlier < month);
  const before = await Promise.all(
    shards.map(async (shard) => (last === undefined ? undefined : readMonthIndex(store, shard, last))),
  );
  const offsets = before.flatMap((index) => (index ? index.runs.map(({ from }) => from) : []));
  const hint = offsets.reduce((a, b) => Math.min(a, b), offsets[0] ?? 0);
  let isPublished = false;
  for (const from of hint > 0 ? [hint, 0] : [0]) {
    const found = await indexLedger(kafka, prefix, [month], from);
    const held = found.get(month);
    isPublished ||= found.has(month);
    if (held !== undefined && (from === 0 || (await isWhole(store, month, held, shards)))) return held;
  }
  if (!isPublished) return undefined;
  throw notWhole(month);
}

const notWhole = (month: string): TallymanError =>
  monthDiffers(month, 'billing.totals does not hold all of it');

/** Whether as many projects were found as Redis lists. If not, some are before the hint. */
async function isWhole(
  store: Store,
  month: string,
  held: LedgerIndex,
  shards: readonly number[],
): Promise<boolean> {
  const counts = await store.send(shards.map((shard) => ['scard', store.keys.projectsOfMonth(shard, month)]));
  return shards.every((shard) => counts[shard] === (held.get(shard)?.projects ?? 0));
}

/** Whether every shard notes where the month is, and holds nothing of it any more. */
async function isGone(store: Store, month: string): Promise<boolean> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const answers = await store.send(
    shards.flatMap((shard) => [
      ['hexists', store.keys.shard(shard).left, month] as const,
      ['exists', store.keys.projectsOfMonth(shard, month)] as const,
    ]),
  );
  return answers.every((answer, i) => answer === (i % 2 === 0 ? 1 : 0));
}
