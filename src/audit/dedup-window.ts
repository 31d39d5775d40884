import { nextMonth } from '../rating/month';

/** The freezes of a shard: month -> topic -> the offset after the last event that is in time. In order of month. */
export type Freezes = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Where an offset lies between the freezes of its topic. */
export interface Period {
  /** 0 before the first freeze. Ids are remembered in a period and the one before. */
  readonly number: number;
  /** The earliest month that was open: usage of an earlier one is late, and billed in this. undefined before any freeze. */
  readonly openMonth: string | undefined;
  /** The first offset of the next period; Infinity for the last. */
  readonly until: number;
}

/** The period that an offset lies in. A topic that a freeze does not name began after it: its freeze lies at 0. */
export function periodOf(freezes: Freezes, topic: string, offset: number): Period {
  let number = 0;
  let openMonth: string | undefined;
  let until = Number.POSITIVE_INFINITY;
  let passed = 0;
  for (const [month, cursors] of freezes) {
    const frozenAt = cursors.get(topic) ?? 0;
    passed += 1;
    if (frozenAt <= offset) {
      number = passed;
      openMonth = nextMonth(month);
      until = Number.POSITIVE_INFINITY;
    } else {
      until = Math.min(until, frozenAt);
    }
  }
  return { number, openMonth, until };
}
