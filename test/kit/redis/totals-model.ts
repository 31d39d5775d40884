import type { RatedEvent } from '../../../src/rating/usage';
import type { AppliedCounts, ApplyAnswer, Chunk } from '../../../src/redis/apply/chunk';

type Cursors = Map<string, number>;

/**
 * What one shard of Redis should hold, told as plainly as possible: one event at a time, maps and
 * BigInt. It shares no code with src/redis.
 */
export class TotalsModel {
  cursors: Cursors = new Map();
  /** The leader epoch of the last record below each cursor; -1 if nobody knows it. */
  epochs = new Map<string, number>();
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

  /** A lane is a partition of the topic; the topic's name is that of the first one. */
  apply(
    { topic, lane = topic, from, next, epoch = -1, follows, events }: Chunk,
    lastClosed?: string,
  ): ApplyAnswer {
    const cursor = this.cursors.get(lane);
    if (cursor === undefined) return { answer: 'UNINITIALISED' };
    if (next <= cursor) return { answer: 'ALREADY_APPLIED', cursor };
    if (from < cursor) return { answer: 'OVERLAP', cursor };
    if (from > cursor) return { answer: 'GAP', cursor };
    const counted = this.epochs.get(lane) ?? -1;
    if (counted >= 0 && counted !== epoch && counted !== follows) return { answer: 'EPOCH', epoch: counted };
    if (lastClosed !== undefined && !this.closed.has(lastClosed))
      return { answer: 'UNFROZEN', month: lastClosed };
    const behind = this.behind(topic, lane);
    if (behind !== undefined) return { answer: 'BEHIND', lane: behind };
    const counts = { counted: 0, duplicates: 0, late: 0, voided: 0, unknownVoids: 0 };
    // A chunk is applied whole or not at all, or so each part of it between the freezes of months
    // and about voids.
    const freezes = [...this.closed.values()].map((cursors) => cursors.get(lane) ?? 0);
    const voids = events.flatMap(({ isVoid, offset }) => (isVoid ? [offset, offset + 1] : []));
    const cuts = [...freezes, ...voids].filter((offset) => offset > from && offset < next);
    const ends = [...new Set([...cuts, next])].sort((a, b) => a - b);
    let done: { applied?: AppliedCounts } = {};
    for (const end of ends) {
      const waitsFor = this.behind(topic, lane);
      if (waitsFor !== undefined) return { answer: 'BEHIND', lane: waitsFor, ...done };
      const before = this.copy();
      for (const event of events) {
        if (event.offset < this.cursors.get(lane)! || event.offset >= end) continue;
        const outcome = event.isVoid ? this.takeBack(topic, lane, event) : this.count(topic, lane, event);
        if (outcome === 'overflow') {
          Object.assign(this, before);
          return { answer: 'REJECTED', detail: 'a total would pass 2^63-1', ...done };
        }
        if (outcome.startsWith('mismatch ')) {
          const detail = outcome.slice('mismatch '.length);
          return { answer: 'VOID_MISMATCH', offset: event.offset, detail, ...done };
        }
        if (outcome === 'duplicate') counts.duplicates += 1;
        else if (outcome === 'voided') counts.voided += 1;
        else if (outcome === 'unknown') counts.unknownVoids += 1;
        else counts.counted += 1;
        if (outcome === 'late') counts.late += 1;
      }
      this.cursors.set(lane, end);
      this.epochs.set(lane, epoch);
      done = { applied: { ...counts } };
    }
    return { answer: 'APPLIED', ...counts };
  }

  /**
   * Another partition of the topic that has not reached the last freeze which this one has reached.
   */
  private behind(topic: string, lane: string): string | undefined {
    const reached = [...this.closed].filter(([, at]) => (at.get(lane) ?? 0) <= this.cursors.get(lane)!);
    const last = reached.sort(([a], [b]) => (a < b ? -1 : 1)).at(-1);
    return [...(last?.[1] ?? [])].find(
      ([other, at]) => other !== lane && other.split('/')[0] === topic && (this.cursors.get(other) ?? 0) < at,
    )?.[0];
  }

  private count(
    topic: string,
    lane: string,
    event: RatedEvent,
  ): 'counted' | 'duplicate' | 'late' | 'overflow' {
    const periods = this.periodsAt(lane, event.offset);
    const identity = JSON.stringify([topic, event.project, event.source, event.id]);
    if (periods.slice(-2).some((period) => this.ids.get(period)?.has(identity))) return 'duplicate';
    for (const ids of [this.ids, this.allIds]) entry(ids, periods.at(-1)!, () => new Set()).add(identity);
    entry(this.log, lane, () => new Map()).set(event.offset, event);

    const open = periods.length > 1 ? periods.at(-1)! : event.month;
    const late = event.month < open;
    const billMonth = late ? open : event.month;
    for (const { meter, model, quantity } of event.usages) {
      const key = `${meter}${model === undefined ? '' : `/${model}`}`;
      const group = `${billMonth} ${event.project}`;
      const total = add(this.totals, group, late ? `${event.month}@${key}` : key, BigInt(quantity));
      const ofDay = add(this.daily, group, `${event.day}/${key}`, BigInt(quantity));
      if (total > 9223372036854775807n || ofDay > 9223372036854775807n) return 'overflow';
      entry(this.projects, billMonth, () => new Set()).add(event.project);
    }
    return late ? 'late' : 'counted';
  }

  /** 'first', then each month that was open up to this offset. */
  private periodsAt(lane: string, offset: number): string[] {
    const passed = [...this.closed]
      .filter(([, cursors]) => (cursors.get(lane) ?? 0) <= offset)
      .map(([month]) => month)
      .sort();
    return ['first', ...passed.map(monthAfter)];
  }

  private takeBack(topic: string, lane: string, event: RatedEvent): string {
    const { project, source, id, month, day } = event;
    const periods = this.periodsAt(lane, event.offset);
    const isKnown = (identity: string): boolean =>
      periods.slice(-2).some((period) => this.ids.get(period)?.has(identity) ?? false);
    const identity = JSON.stringify([topic, project, source, id]);
    const asVoid = JSON.stringify([`${topic}#void`, project, source, id]);
    if (isKnown(asVoid)) return 'duplicate';

    const open = periods.length > 1 ? periods.at(-1)! : month;
    const billMonth = month < open ? open : month;
    const wasCounted = isKnown(identity);
    if (wasCounted) {
      const amounts = new Map<string, bigint>();
      for (const { meter, model, quantity } of event.usages) {
        const key = `${meter}${model === undefined ? '' : `/${model}`}`;
        amounts.set(key, (amounts.get(key) ?? 0n) + BigInt(quantity));
      }
      for (const [key, quantity] of amounts) {
        let held = 0n;
        for (const [group, fields] of this.daily) {
          const [of, owner] = group.split(' ') as [string, string];
          if (owner === project && of >= month && of <= billMonth) held += fields.get(`${day}/${key}`) ?? 0n;
        }
        if (held < quantity) return `mismatch ${day}/${key}`;
      }
      const group = `${billMonth} ${project}`;
      for (const [key, quantity] of amounts) {
        const total = this.totals.get(group)?.get(month < open ? `${month}@${key}` : key) ?? 0n;
        const ofDay = this.daily.get(group)?.get(`${day}/${key}`) ?? 0n;
        if ([0n, total, ofDay].some((there) => there - quantity < -9223372036854775807n)) return 'overflow';
      }
      for (const [key, quantity] of amounts) {
        add(this.totals, group, month < open ? `${month}@${key}` : key, -quantity);
        add(this.daily, group, `${day}/${key}`, -quantity);
        entry(this.projects, billMonth, () => new Set()).add(project);
      }
    }
    for (const ids of [this.ids, this.allIds]) {
      entry(ids, periods.at(-1)!, () => new Set())
        .add(identity)
        .add(asVoid);
    }
    entry(this.log, lane, () => new Map()).set(event.offset, event);
    return wasCounted ? 'voided' : 'unknown';
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
    const { cursors, epochs, totals, daily, projects, ids, allIds, log } = this;
    return structuredClone({ cursors, epochs, totals, daily, projects, ids, allIds, log });
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
  dropZero(groups, group, field);
  return sum;
}

/** A field of zero, and a group without fields, is not there. */
function dropZero(groups: Map<string, Map<string, bigint>>, group: string, field: string): void {
  const fields = groups.get(group)!;
  if (fields.get(field) === 0n) fields.delete(field);
  if (fields.size === 0) groups.delete(group);
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
