import { parseCopy } from '../lib/document';
import type { BillingCalendar } from '../rating/billing-calendar';
import { readCloses } from '../redis/views/closes';
import { readCutOffs } from '../redis/cut-offs';
import { findUnlistedTotals } from '../redis/checks/find-unlisted';
import { monthsWithUsage, readShardCount } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import type { CloseState } from './due-months';
import type { CloseRecords } from '../installation/ledgers/restore-closes';

/**
 * No earlier month is possible: a record is not older than 1970, and an event at most
 * TALLYMAN_PAST_LIMIT older.
 */
const FIRST_YEAR = 1900;

/**
 * Reads which months are closed, and which open ones hold usage, however old it is.
 *
 * @param records the ledger's records, if it was read; those in Redis by default
 */
export async function readCloseState(
  store: Store,
  calendar: BillingCalendar,
  nowMs: number,
  records?: CloseRecords,
): Promise<CloseState> {
  const shardCount = await readShardCount(store);
  const closes = records ?? (await shownRecords(store));
  const frozen = new Set<string>();
  for (let shard = 0; shard < shardCount; shard += 1) {
    for (const month of (await readCutOffs(store, shard)).keys()) if (!closes.has(month)) frozen.add(month);
  }
  const closedMonths = [...closes.keys()];
  const unfinishedMonths = closedMonths.filter((month) => !closes.get(month)!.completed);
  const last = calendar.nextMonth(calendar.monthOfMs(nowMs));
  const withUsage = await monthsWithUsage(store, shardCount, monthsUpTo(last));
  return {
    closedMonths,
    interruptedMonths: unfinishedMonths.filter((month) => !closes.get(month)!.issued),
    unfinishedMonths,
    frozenMonths: [...frozen].sort(),
    openMonthsWithUsage: withUsage.filter((month) => !closes.has(month)),
  };
}

/** Adds the open months with totals that no set of projects lists, so that they are due as well. */
export async function withUnlistedMonths(store: Store, state: CloseState): Promise<CloseState> {
  const unlisted = (await findUnlistedTotals(store)).map(({ month }) => month);
  const open = unlisted.filter((month) => !state.closedMonths.includes(month));
  return { ...state, openMonthsWithUsage: [...new Set([...state.openMonthsWithUsage, ...open])] };
}

async function shownRecords(store: Store): Promise<CloseRecords> {
  const shown = await readCloses(store);
  return new Map(
    [...shown].map(([month, json]) => [month, parseCopy('close.v1.json', json, `the close of ${month}`)]),
  );
}

function monthsUpTo(last: string): string[] {
  const months: string[] = [];
  for (let year = FIRST_YEAR; year <= Number(last.slice(0, 4)); year += 1) {
    for (let month = 1; month <= 12; month += 1) months.push(`${year}-${String(month).padStart(2, '0')}`);
  }
  return months.filter((month) => month <= last);
}
