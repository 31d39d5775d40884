import { nextMonth } from '../rating/month';

/**
 * The cut-offs of a shard: month -> lane -> the offset after the last event that is in time. In
 * order of month.
 */
export type CutOffs = ReadonlyMap<string, ReadonlyMap<string, number>>;

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
 * The period of an offset. A lane that a cut-off does not name began after it, so its cut-off is at
 * 0.
 */
export function periodOf(freezes: CutOffs, lane: string, offset: number): Period {
  let number = 0;
  let openMonth: string | undefined;
  let until = Number.POSITIVE_INFINITY;
  let passed = 0;
  for (const [month, cursors] of freezes) {
    const frozenAt = cursors.get(lane) ?? 0;
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

/** A part of one partition: see lanes.ts for its lane. */
export interface LogPart {
  readonly lane: string;
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts the parts of a topic in one shard at the cut-offs, and returns the pieces in the order of
 * periods. The ids of all partitions are remembered together, so none of them may go ahead into the
 * next period.
 */
export function* inOrderOfPeriods<T extends LogPart>(freezes: CutOffs, parts: readonly T[]): Generator<T> {
  const begun = parts.map(({ from }) => from);
  for (const frozen of [...freezes.values(), undefined]) {
    for (const [i, part] of parts.entries()) {
      const from = begun[i]!;
      const to = frozen ? Math.min(part.to, frozen.get(part.lane) ?? 0) : part.to;
      if (to <= from) continue;
      yield { ...part, from, to };
      begun[i] = to;
    }
  }
}

/**
 * How far one partition may be counted while another one of its topic and shard is in an earlier
 * period.
 */
export function endOfEarliestPeriod(
  freezes: CutOffs,
  at: readonly { readonly lane: string; readonly next: number }[],
  lane: string,
): number {
  const earliest = Math.min(...at.map((one) => periodOf(freezes, one.lane, one.next).number));
  const next = [...freezes.values()][earliest];
  return next === undefined ? Number.POSITIVE_INFINITY : (next.get(lane) ?? 0);
}
