import type { Logger } from '../../lib/logger';
import type { Difference } from '../compare/difference';

/** At most this many differences are kept per place, and at most this many are listed. */
const KEPT_PER_PLACE = 20;
const LISTED_MAX = 1_000;

/**
 * The differences that exist now, by the place they were found at. Each is logged when it appears
 * and when it is gone.
 */
export class StandingDifferences {
  private readonly places = new Map<string, readonly Difference[]>();

  constructor(private readonly logger: Pick<Logger, 'error' | 'info'>) {}

  /** Replaces the differences of a place. */
  set(place: string, found: readonly Difference[]): void {
    const before = new Map((this.places.get(place) ?? []).map((one) => [nameOf(one), one]));
    const now = found.slice(0, KEPT_PER_PLACE);
    for (const one of now) {
      if (!before.has(nameOf(one))) this.logger.error({ code: 'DIFFERENCE', ...one }, textOf(one));
    }
    const names = new Set(now.map(nameOf));
    for (const [name, one] of before) {
      if (!names.has(name)) this.logger.info({ code: 'DIFFERENCE_GONE', ...one }, 'a difference is gone');
    }
    if (now.length === 0) this.places.delete(place);
    else this.places.set(place, now);
  }

  /**
   * Forgets the places for which `isOf` is true, without logging, because they are compared again.
   */
  forget(isOf: (place: string) => boolean): void {
    for (const place of this.places.keys()) if (isOf(place)) this.places.delete(place);
  }

  get count(): number {
    let count = 0;
    for (const found of this.places.values()) count += found.length;
    return count;
  }

  countByKind(): Map<Difference['kind'], number> {
    const counts = new Map<Difference['kind'], number>();
    for (const found of this.places.values()) {
      for (const { kind } of found) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return counts;
  }

  list(): Difference[] {
    return [...this.places.values()].flat().slice(0, LISTED_MAX);
  }
}

const nameOf = ({ kind, month, project, shard, field }: Difference): string =>
  JSON.stringify([kind, month, project, shard, field]);

function textOf({ kind, month, project, field, expected, found }: Difference): string {
  const place = [kind, month, project, field].filter((part) => part !== undefined).join(' ');
  return `Redis differs from the log (${place}): expected ${expected ?? 'nothing'}, found ${found ?? 'nothing'}`;
}
