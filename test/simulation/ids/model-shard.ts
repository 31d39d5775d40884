import { createHash } from 'node:crypto';
import type { ShardState } from '../../../src/dedup/follow-shard';
import type { IdRange } from '../../../src/dedup/tail-file';

/** What an owner sends with everything that it counts. */
interface Compared {
  readonly lane: string;
  readonly from: number;
  readonly next: number;
  readonly context: string;
  /** Lane -> how far its index reaches. */
  readonly reach: Readonly<Record<string, number>>;
  /** The last mark of each window that it was compared with. */
  readonly lastMarks: string;
}

export type Sent = Compared &
  (
    | {
        /** The ids of the range, and those of them that are counted. */
        readonly range: IdRange;
        readonly counted: readonly string[];
      }
    | { readonly voided: string; readonly state: 'COUNTED' | 'UNKNOWN' | 'VOIDED' }
  );

export type Answer = 'APPLIED' | 'READ AGAIN' | 'IDS' | 'BEHIND' | { readonly splitAt: number };

interface Mark {
  /** Random. Names the addition. */
  readonly name: string;
  readonly ids: readonly string[];
}

/** How many ids of a grown shard are kept. */
const RECENT_IDS = 8;

/** What a shard of Redis holds of a topic, and does with what is sent to it. */
export class ModelShard {
  cursors = new Map<string, number>();
  /** Month -> lane -> the offset of its cut-off. */
  closed = new Map<string, Map<string, number>>();
  /** Fingerprint -> how often it counts. */
  totals = new Map<string, number>();
  marks = new Map<string, Mark[]>();
  /** Window -> its context, since something was counted in it. */
  contexts = new Map<string, string>();
  recent: IdRange[] = [];

  constructor(
    readonly generation: string,
    private readonly months: number,
  ) {}

  /** What a crash may bring back. */
  copy(): Partial<ModelShard> {
    const { cursors, closed, totals, marks, contexts, recent } = this;
    return structuredClone({ cursors, closed, totals, marks, contexts, recent });
  }

  cutOff(month: string): void {
    const isReplayed = [...this.closed.values()].every((at) =>
      [...at].every(([lane, offset]) => this.cursors.get(lane)! >= offset),
    );
    if (!this.closed.has(month) && isReplayed && [...this.closed.keys()].every((other) => other < month))
      this.closed.set(month, new Map(this.cursors));
  }

  /** The windows up to the one that is open for a lane. */
  state(lane: string): ShardState & { readonly marks: ReadonlyMap<string, readonly Mark[]> } {
    const cursor = this.cursors.get(lane)!;
    const passed = this.cutOffs().filter(([, at]) => (at.get(lane) ?? 0) <= cursor);
    let context = this.contexts.get('first') ?? digest(this.generation, this.months);
    const windows = [{ name: 'first', context, starts: {} }];
    for (const [month, at] of passed) {
      const before = windows.at(-1)!;
      const marks = this.marks.get(before.name) ?? [];
      const name = `after ${month}`;
      context =
        this.contexts.get(name) ?? digest(before.context, month, [...at].sort(), marks.at(-1)?.name ?? '');
      windows.push({ name, context, starts: Object.fromEntries(at) });
    }
    return structuredClone({ windows, cursors: Object.fromEntries(this.cursors), marks: this.marks });
  }

  apply(sent: Sent, nameOfMark: string): Answer {
    const { lane, from, next } = sent;
    if (this.cursors.get(lane) !== from) return 'READ AGAIN';
    const open = this.cutOffs().filter(([, at]) => (at.get(lane) ?? 0) <= from);
    for (const [other, offset] of open.at(-1)?.[1] ?? [])
      if (this.cursors.get(other)! < offset) return 'BEHIND';
    const split = this.cutOffs().find(([, at]) => (at.get(lane) ?? 0) > from && (at.get(lane) ?? 0) < next);
    if (split) return { splitAt: split[1].get(lane)! };
    const { windows } = this.state(lane);
    const window = windows.at(-1)!;
    if (window.context !== sent.context || lastMarksOf(this.marks, windows, this.months) !== sent.lastMarks)
      return 'IDS';
    const added = 'counted' in sent ? sent.counted : [sent.voided];
    for (const [other, cursor] of this.cursors) {
      if (other !== lane && !this.isKnown(other, sent.reach[other] ?? 0, cursor, added)) return 'IDS';
    }

    this.contexts.set(window.name, window.context);
    this.cursors.set(lane, next);
    if ('counted' in sent) {
      for (const id of sent.counted) this.add(id, 1);
      if (this.cursors.size > 1) this.keep(sent.range);
    } else if (sent.state !== 'VOIDED') {
      if (sent.state === 'COUNTED') this.add(sent.voided, -1);
      const marks = this.marks.get(window.name) ?? [];
      this.marks.set(window.name, [...marks, { name: nameOfMark, ids: [sent.voided] }]);
      if (this.cursors.size > 1)
        this.keep({ window: window.name, lane, from, next, halves: new Uint32Array(0) });
    }
    return 'APPLIED';
  }

  private cutOffs(): [month: string, at: Map<string, number>][] {
    return [...this.closed].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Whether what others have counted between two offsets is here, and different from `added`. */
  private isKnown(lane: string, from: number, to: number, added: readonly string[]): boolean {
    if (from > to) return false;
    let at = from;
    for (const range of this.recent) {
      if (range.lane !== lane || range.next <= at) continue;
      if (range.from > at) return false;
      if (keysOf(range.halves).some((id) => added.includes(id))) return false;
      at = range.next;
    }
    return at === to;
  }

  private keep(range: IdRange): void {
    this.recent.push(range);
    const size = (): number => this.recent.reduce((sum, { halves }) => sum + 1 + halves.length / 2, 0);
    while (size() > RECENT_IDS) this.recent.shift();
  }

  private add(id: string, count: number): void {
    this.totals.set(id, (this.totals.get(id) ?? 0) + count);
  }
}

/** The name of the last mark of each window that an event is compared with. */
export function lastMarksOf(
  marks: ReadonlyMap<string, readonly Mark[]>,
  windows: readonly { readonly name: string }[],
  months: number,
): string {
  return windows
    .slice(-months)
    .map(({ name }) => marks.get(name)?.at(-1)?.name ?? '')
    .join();
}

const digest = (...parts: unknown[]): string =>
  createHash('sha1').update(JSON.stringify(parts)).digest('hex');

/** Fingerprints as keys of a map. */
export function keysOf(halves: Uint32Array): string[] {
  return Array.from({ length: halves.length / 2 }, (_, i) => `${halves[i * 2]}:${halves[i * 2 + 1]}`);
}
