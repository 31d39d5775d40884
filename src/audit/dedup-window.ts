import { nextMonth } from '../rating/month';

/**
 * The cut-offs of a shard: month -> topic -> the offset after the last event that is in time. In
 * order of month.
 */
export type Freezes = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** The position of an offset between the cut-offs of its topic. */
export interface Period {
  /** 0 before the first cut-off. Ids are remembered in a period and the one before. */
  readonly number: number;
  /**
   * The earliest month that was open. Usage of earlier months is late, and billed in this one.
   * undefined before any cut-off.
   */
  readonly openMonth: string | undefined;
  /** The first offset of the next period; Infinity for the last. */
  readonly until: number;
}

/**
 * The period of an offset. A topic that a cut-off does not name began after it, so its cut-off is
 * at 0.
 */
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
