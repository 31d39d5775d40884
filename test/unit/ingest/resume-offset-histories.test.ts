import { fc, test } from '@fast-check/jest';
import { decide, review, type ChainStop } from '../../../src/ingest/resume-offset';

/**
 * Small histories of one partition, without a broker: a log that grows, is cut and recreated, a
 * client that skips what the log hides, resets silently and loses seeks, totals that lose their
 * tail, members that come and go. Whatever happens, all events below the totals' cursor are counted
 * exactly once, or the chain has stopped with a reason.
 */

type Entry = 'event' | 'hidden';

class Log {
  entries: Entry[] = [];
  start = 0;

  get end(): number {
    return this.entries.length;
  }

  events(from: number, to: number): number[] {
    const offsets: number[] = [];
    for (let offset = Math.max(from, this.start); offset < Math.min(to, this.end); offset += 1) {
      if (this.entries[offset] === 'event') offsets.push(offset);
    }
    return offsets;
  }
}

/** Counts by compare-and-set on the cursor, as the script in Redis does. */
class Totals {
  cursor = 0;
  counted: number[] = [];
  private readonly saved: { cursor: number; counted: number[] }[] = [];

  save(): void {
    this.saved.push({ cursor: this.cursor, counted: [...this.counted] });
  }

  /** Cursor and counts go back together. */
  loseTail(): void {
    const last = this.saved.pop();
    if (last) Object.assign(this, { cursor: last.cursor, counted: [...last.counted] });
  }

  apply(from: number, next: number, events: readonly number[]): 'APPLIED' | 'ALREADY' | 'OVERLAP' | 'GAP' {
    if (next <= this.cursor) return 'ALREADY';
    if (from < this.cursor) return 'OVERLAP';
    if (from > this.cursor) return 'GAP';
    this.save();
    this.counted.push(...events);
    this.cursor = next;
    return 'APPLIED';
  }
}

class Member {
  position = 0;
  private pendingSeek: number | undefined;
  private cursor: number | undefined;
  private seeks = 0;
  stopped: ChainStop | undefined;

  constructor(
    private readonly log: Log,
    private readonly totals: Totals,
    /** As kafkajs does by itself: goes over a batch without events, and tells nobody. */
    private readonly hides: boolean,
  ) {}

  /** What was known is forgotten; the position is whatever was committed. */
  rejoin(position: number): void {
    this.position = position;
    this.pendingSeek = undefined;
    this.cursor = undefined;
    this.seeks = 0;
  }

  loseSeek(): void {
    this.pendingSeek = undefined;
  }

  poll(size: number): void {
    if (this.stopped) return;
    this.position = this.pendingSeek ?? this.position;
    this.pendingSeek = undefined;
    const { log, totals } = this;
    if (this.position < log.start || this.position > log.end) this.position = log.start;
    const fetchedOffset = this.position;
    const next = Math.min(fetchedOffset + size, log.end);
    if (next === fetchedOffset) return;
    const events = log.events(fetchedOffset, next);
    if (events.length === 0 && this.hides) {
      this.position = next;
      return;
    }
    this.cursor ??= totals.cursor;
    const question = {
      cursor: this.cursor,
      batch: { fetchedOffset, lastOffset: next - 1 },
      seeks: this.seeks,
    };
    let decision = decide(question);
    if (decision.do === 'ask') {
      if (totals.cursor !== this.cursor) decision = { do: 'seek', to: totals.cursor };
      else {
        const firstUnapplied = log.events(this.cursor, fetchedOffset)[0];
        decision = decide({
          ...question,
          log: { start: log.start, end: log.end, ...(firstUnapplied !== undefined && { firstUnapplied }) },
        });
      }
    }
    switch (decision.do) {
      case 'seek':
        this.seek(decision.to);
        return;
      case 'stop':
        this.stopped = decision;
        return;
      case 'ask':
        throw new Error('asked twice');
      case 'apply': {
        const { from } = decision;
        let answer = totals.apply(
          from,
          decision.next,
          events.filter((offset) => offset >= from),
        );
        if (answer === 'OVERLAP') {
          const { cursor } = totals;
          answer = totals.apply(
            cursor,
            decision.next,
            events.filter((offset) => offset >= cursor),
          );
        }
        if (answer === 'GAP') {
          this.seek(totals.cursor);
          return;
        }
        this.cursor = decision.next;
        this.position = decision.next;
        this.seeks = 0;
      }
    }
  }

  /** Now and then, whether or not there is anything to fetch. */
  look(): void {
    if (this.stopped) return;
    const verdict = review(this.cursor, this.totals.cursor, this.log);
    if (verdict.do === 'stop') this.stopped = verdict;
    else if (verdict.do === 'seek') this.seek(verdict.to);
  }

  private seek(to: number): void {
    this.cursor = to;
    this.seeks += 1;
    this.pendingSeek = to;
  }
}

type Step =
  | { do: 'append'; entries: Entry[] }
  | { do: 'delete'; share: number }
  | { do: 'poll'; member: number; size: number }
  | { do: 'rejoin'; member: number; share: number }
  | { do: 'loseSeek'; member: number }
  | { do: 'look'; member: number }
  | { do: 'loseTail' };

const member = fc.nat({ max: 1 });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const append = fc.record({
  do: fc.constant('append' as const),
  entries: fc.array(fc.constantFrom<Entry>('event', 'hidden', 'hidden'), { minLength: 1, maxLength: 12 }),
});
const poll = fc.record({ do: fc.constant('poll' as const), member, size: fc.integer({ min: 1, max: 15 }) });
const rejoin = fc.record({ do: fc.constant('rejoin' as const), member, share });
const loseSeek = fc.record({ do: fc.constant('loseSeek' as const), member });
const look = fc.record({ do: fc.constant('look' as const), member });
const loseTail = fc.record({ do: fc.constant('loseTail' as const) });
const cut = fc.record({ do: fc.constant('delete' as const), share });

const harmless = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: poll },
    { weight: 3, arbitrary: append },
    rejoin,
    look,
    loseSeek,
    loseTail,
  ),
  { maxLength: 80 },
);
const withDeletes = fc.array(
  fc.oneof({ weight: 6, arbitrary: poll }, { weight: 3, arbitrary: append }, cut, look, rejoin, loseTail),
  { maxLength: 80 },
);

interface World {
  readonly log: Log;
  readonly totals: Totals;
  readonly members: readonly [Member, Member];
  /** Every offset that ever was an event. */
  readonly published: number[];
}

function run(steps: readonly Step[], hides: boolean): World {
  const log = new Log();
  const totals = new Totals();
  const members = [new Member(log, totals, hides), new Member(log, totals, hides)] as const;
  const world: World = { log, totals, members, published: [] };
  for (const step of steps) {
    switch (step.do) {
      case 'append':
        for (const entry of step.entries) {
          if (entry === 'event') world.published.push(log.end);
          log.entries.push(entry);
        }
        break;
      case 'delete':
        log.start += Math.floor((log.end - log.start) * step.share);
        break;
      case 'poll':
        members[step.member]?.poll(step.size);
        break;
      case 'rejoin':
        // Any committed position: the hint may be old, or from before the totals went back.
        members[step.member]?.rejoin(Math.floor(log.end * step.share));
        break;
      case 'loseSeek':
        members[step.member]?.loseSeek();
        break;
      case 'look':
        members[step.member]?.look();
        break;
      case 'loseTail':
        totals.loseTail();
        break;
    }
    // Exactly once, at every moment: what lies below the cursor is counted, and nothing else, and
    // in order.
    expect(totals.counted).toEqual(world.published.filter((offset) => offset < totals.cursor));
  }
  return world;
}

function pollToTheEnd({ log, totals, members }: World): void {
  for (let round = 0; round < 300 && totals.cursor < log.end; round += 1) {
    members[0].poll(4);
    if (round % 10 === 9) members[0].look();
  }
}

describe.each([
  ['shown every batch', false],
  ['that hides batches without events', true],
])('with a client %s', (_, hides) => {
  test.prop([harmless], { numRuns: 1_000 })(
    'no history without a loss stops, or leaves an event',
    (steps) => {
      const world = run(steps, hides);
      expect(world.members.map(({ stopped }) => stopped)).toEqual([undefined, undefined]);
      // A hidden tail is not an event. One event after it shows that the partition is not stuck.
      world.log.entries.push('event');
      world.published.push(world.log.end - 1);
      pollToTheEnd(world);
      expect(world.totals.counted).toEqual(world.published);
    },
  );

  test.prop([withDeletes], { numRuns: 1_000 })('deleted events are counted, or the chain stops', (steps) => {
    const world = run(steps, hides);
    world.log.entries.push('event');
    world.published.push(world.log.end - 1);
    pollToTheEnd(world);
    const { totals, published, members } = world;
    const { stopped } = members[0];
    if (stopped) {
      expect(stopped.code).toBe('EVENTS_GONE');
      expect(totals.cursor).toBeLessThan(world.log.start);
    } else expect(totals.counted).toEqual(published);
  });

  test.prop([harmless, fc.nat({ max: 20 })], { numRuns: 300 })(
    'a recreated topic that is shorter than the cursor stops',
    (steps, newLength) => {
      const { log, totals, members } = run(steps, hides);
      members[0].poll(1_000);
      fc.pre(totals.cursor > newLength && newLength > 0);
      const before = [...totals.counted];
      log.entries = Array.from({ length: newLength }, () => 'event');
      log.start = 0;
      for (let round = 0; round < 5; round += 1) members[0].poll(3);
      members[0].look();
      expect(members[0].stopped?.code).toBe('CURSOR_PAST_LOG_END');
      expect(totals.counted).toEqual(before);
    },
  );
});

test('a client shown every batch brings the cursor to the very end of the log, hidden tail or not', () => {
  fc.assert(
    fc.property(harmless, (steps) => {
      const world = run(steps, false);
      pollToTheEnd(world);
      expect(world.totals.cursor).toBe(world.log.end);
    }),
  );
});
