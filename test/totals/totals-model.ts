import type { RatedEvent } from '../../src/rating/usage';
import type { ApplyAnswer, Chunk } from '../../src/totals/apply';

type Cursors = Map<string, number>;

/**
 * What one shard of Redis should hold, told as plainly as possible: one event at a time, maps and BigInt. It shares no
 * code with src/totals.
 */
export class TotalsModel {
  cursors: Cursors = new Map();
  closed = new Map<string, Cursors>();
  /** `<month> <project>` -> field -> integer. */
  totals = new Map<string, Map<string, bigint>>();
  daily = new Map<string, Map<string, bigint>>();
  projects = new Map<string, Set<string>>();
  /** Period -> what identifies an event, as JSON. */
  ids = new Map<string, Set<string>>();
  /** The same, never forgotten: what a replay of the log brings back. */
  allIds = new Map<string, Set<string>>();
  /** Every event that was applied: topic -> offset -> event. */
  log = new Map<string, Map<number, RatedEvent>>();

  apply({ topic, from, next, events }: Chunk, lastClosed?: string): ApplyAnswer {
    const cursor = this.cursors.get(topic);
    if (cursor === undefined) return { answer: 'UNINITIALISED' };
    if (next <= cursor) return { answer: 'ALREADY_APPLIED', cursor };
    if (from < cursor) return { answer: 'OVERLAP', cursor };
    if (from > cursor) return { answer: 'GAP', cursor };
    if (lastClosed !== undefined && !this.closed.has(lastClosed))
      return { answer: 'UNFROZEN', month: lastClosed };
    const answer = { answer: 'APPLIED' as const, counted: 0, duplicates: 0, late: 0 };
    // A chunk is applied whole or not at all, or so each part of it between the freezes of months.
    const freezes = [...this.closed.values()].map((cursors) => cursors.get(topic) ?? 0);
    const ends = [...freezes.filter((offset) => offset > from && offset < next), next].sort((a, b) => a - b);
    for (const end of ends) {
      const before = this.copy();
      for (const event of events) {
        if (event.offset < this.cursors.get(topic)! || event.offset >= end) continue;
        const outcome = this.count(topic, event);
        if (outcome === 'overflow') {
          Object.assign(this, before);
          return { answer: 'REJECTED', detail: 'a total would pass 2^63-1' };
        }
        answer[outcome === 'duplicate' ? 'duplicates' : 'counted'] += 1;
        if (outcome === 'late') answer.late += 1;
      }
      this.cursors.set(topic, end);
    }
    return answer;
  }

  private count(topic: string, event: RatedEvent): 'counted' | 'duplicate' | 'late' | 'overflow' {
    const passed = [...this.closed]
      .filter(([, cursors]) => (cursors.get(topic) ?? 0) <= event.offset)
      .map(([month]) => month)
      .sort();
    const periods = ['first', ...passed.map(monthAfter)];
    const identity = JSON.stringify([topic, event.project, event.source, event.id]);
    if (periods.slice(-2).some((period) => this.ids.get(period)?.has(identity))) return 'duplicate';
    for (const ids of [this.ids, this.allIds]) entry(ids, periods.at(-1)!, () => new Set()).add(identity);
    entry(this.log, topic, () => new Map()).set(event.offset, event);

    const open = passed.length > 0 ? monthAfter(passed.at(-1)!) : event.month;
    const late = event.month < open;
    const billMonth = late ? open : event.month;
    for (const { meter, model, quantity } of event.usages) {
      const key = `${meter}${model === undefined ? '' : `/${model}`}`;
      const group = `${billMonth} ${event.project}`;
      const total = add(this.totals, group, late ? `${event.month}@${key}` : key, BigInt(quantity));
      if (total > 9223372036854775807n) return 'overflow';
      add(this.daily, group, `${event.day}/${key}`, BigInt(quantity));
      entry(this.projects, billMonth, () => new Set()).add(event.project);
    }
    return late ? 'late' : 'counted';
  }

  freeze(month: string): Cursors | 'LATER_MONTH_FROZEN' | 'UNINITIALISED' | 'BEHIND_FREEZE' {
    const frozen = this.closed.get(month);
    if (frozen) return frozen;
    if (this.cursors.size === 0) return 'UNINITIALISED';
    if ([...this.closed.keys()].some((other) => other > month)) return 'LATER_MONTH_FROZEN';
    if ([...this.closed.values()].some((earlier) => !atOrBefore(earlier, this.cursors)))
      return 'BEHIND_FREEZE';
    this.closed.set(month, new Map(this.cursors));
    return new Map(this.cursors);
  }

  restoreFreeze(month: string, cursors: Cursors): boolean | 'FREEZE_CONFLICT' | 'FREEZE_LOST' {
    const frozen = this.closed.get(month);
    if (frozen) return atOrBefore(frozen, cursors) && atOrBefore(cursors, frozen) ? false : 'FREEZE_CONFLICT';
    for (const [other, at] of this.closed) {
      if (other < month ? !atOrBefore(at, cursors) : !atOrBefore(cursors, at)) return 'FREEZE_CONFLICT';
    }
    if ([...cursors].some(([topic, at]) => (this.cursors.get(topic) ?? 0) > at)) return 'FREEZE_LOST';
    this.closed.set(month, new Map(cursors));
    return true;
  }

  /** Forgets all periods that come before the previous one of every topic. */
  forgetIds(): void {
    const months = [...this.closed.keys()].sort();
    const periods = ['first', ...months.map(monthAfter)];
    const needed = [...this.cursors].map(([topic, cursor]) => {
      const passed = months.filter((month) => (this.closed.get(month)!.get(topic) ?? 0) <= cursor).length;
      return passed - 1;
    });
    for (const period of periods.slice(0, Math.max(0, Math.min(...needed)))) this.ids.delete(period);
  }

  private copy(): Partial<TotalsModel> {
    const { cursors, totals, daily, projects, ids, allIds, log } = this;
    return structuredClone({ cursors, totals, daily, projects, ids, allIds, log });
  }
}

function atOrBefore(earlier: Cursors, later: Cursors): boolean {
  return [...earlier].every(([topic, offset]) => offset <= (later.get(topic) ?? 0));
}

function add(
  groups: Map<string, Map<string, bigint>>,
  group: string,
  field: string,
  quantity: bigint,
): bigint {
  const fields = entry(groups, group, () => new Map<string, bigint>());
  const sum = (fields.get(field) ?? 0n) + quantity;
  fields.set(field, sum);
  return sum;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** By the calendar of JavaScript, as an oracle for the arithmetic in the script. */
function monthAfter(month: string): string {
  const date = new Date(`${month}-15T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() + 1);
  return date.toISOString().slice(0, 7);
}
