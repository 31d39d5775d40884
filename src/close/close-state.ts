import type { BillingCalendar } from '../rating/billing-calendar';
import { readCloses } from '../totals/closes';
import { readFreezes } from '../totals/freeze';
import { hasUsage, readShardCount } from '../totals/read';
import type { Store } from '../totals/store';
import type { CloseRecord } from './close-record';
import type { CloseState } from './due-months';

/** How far back usage can lie: 400 days before its record, and as long again in a log that is read anew. */
const MONTHS_BACK = 36;

/** Reads which months are closed, and which open ones hold usage. */
export async function readCloseState(
  store: Store,
  calendar: BillingCalendar,
  nowMs: number,
): Promise<CloseState> {
  const shardCount = await readShardCount(store);
  // A month counts as closed when every shard has frozen it: a close that was killed half-way is still to be done.
  const frozenIn = new Map<string, number>();
  for (let shard = 0; shard < shardCount; shard += 1) {
    for (const month of (await readFreezes(store, shard)).keys())
      frozenIn.set(month, (frozenIn.get(month) ?? 0) + 1);
  }
  const closedMonths = [...frozenIn].filter(([, shards]) => shards === shardCount).map(([month]) => month);

  const openMonthsWithUsage: string[] = [];
  let month = calendar.nextMonth(calendar.monthOfMs(nowMs));
  for (let back = 0; back < MONTHS_BACK; back += 1, month = calendar.previousMonth(month)) {
    if (!closedMonths.includes(month) && (await hasUsage(store, shardCount, month)))
      openMonthsWithUsage.push(month);
  }
  const records = await readCloses(store);
  const unfinishedMonths = closedMonths.filter((closed) => {
    const json = records.get(closed);
    return json === undefined || !(JSON.parse(json) as CloseRecord).completed;
  });
  return { closedMonths, unfinishedMonths, openMonthsWithUsage };
}
