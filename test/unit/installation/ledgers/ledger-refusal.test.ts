import { fc, test as property } from '@fast-check/jest';
import { refusalOf } from '../../../../src/installation/ledgers/ledger-refusal';
import { parsePosition, positionText } from '../../../../src/redis/views/ledger-view';

/** One copy of a ledger: what each offset holds, and where each leader epoch began. */
class Copy {
  records: { readonly id: number; readonly epoch: number }[] = [];
  /** Kept like a broker's: by its own elections, and by the records that it copies. */
  epochs: { readonly epoch: number; readonly start: number }[] = [];

  append(id: number, epoch: number): void {
    if (this.epochs.at(-1)?.epoch !== epoch) this.epochs.push({ epoch, start: this.records.length });
    this.records.push({ id, epoch });
  }

  elect(epoch: number): void {
    this.epochs = this.epochs.filter(({ start }) => start < this.records.length);
    this.epochs.push({ epoch, start: this.records.length });
  }

  /** Copies the leader, from where the two logs part. */
  follow(leader: Copy): void {
    let at = 0;
    while (at < this.records.length && this.records[at]!.id === leader.records[at]?.id) at += 1;
    this.records.length = at;
    this.epochs = this.epochs.filter(({ start }) => start < at);
    for (const { id, epoch } of leader.records.slice(at)) this.append(id, epoch);
  }

  /** How a broker answers OffsetForLeaderEpoch. */
  epochEnd(asked: number): { epoch: number; end: number } {
    if (this.epochs.at(-1)?.epoch === asked) return { epoch: asked, end: this.records.length };
    const higher = this.epochs.find(({ epoch }) => epoch > asked);
    if (higher === undefined) return { epoch: -1, end: -1 };
    const floor = this.epochs.findLast(({ epoch }) => epoch <= asked);
    return { epoch: floor?.epoch ?? asked, end: higher.start };
  }
}

const COPIES = 3;
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('write' as const), count: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('copy' as const), to: fc.nat(COPIES - 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('elect' as const), to: fc.nat(COPIES - 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
);

property.prop([fc.array(step, { maxLength: 40 })], { numRuns: 2_000 })(
  'a ledger is refused if, and only if, it no longer begins with what was read of it',
  (steps) => {
    const copies = Array.from({ length: COPIES }, () => new Copy());
    let leader = copies[0]!;
    let epoch = 0;
    let id = 0;
    let read: number[] = [];
    let position = '';
    leader.elect(epoch);
    for (const one of steps) {
      if (one.do === 'write') for (let i = 0; i < one.count; i += 1) leader.append((id += 1), epoch);
      else if (one.do === 'copy') {
        if (copies[one.to] !== leader) copies[one.to]!.follow(leader);
      } else if (one.do === 'elect') {
        leader = copies[one.to]!;
        leader.elect((epoch += 1));
      } else {
        const found = parsePosition(position);
        const held = found?.epoch === undefined ? undefined : leader.epochEnd(found.epoch);
        const end = leader.records.length;
        const refusal = found && refusalOf('billing.invoices', found, { topicId: 'id', start: 0, end, held });
        const now = leader.records.map((record) => record.id);
        const isThere = read.every((each, offset) => now[offset] === each);
        expect(refusal === undefined).toBe(isThere);
        if (refusal !== undefined) {
          expect(refusal.code).toBe(read.length > end ? 'CURSOR_PAST_LOG_END' : 'LOG_DIVERGED');
          return;
        }
        const next = read.length + Math.ceil((end - read.length) * one.part);
        read = now.slice(0, next);
        const of = leader.records[next - 1]?.epoch;
        position = positionText({ next, topicId: 'id', run: 'run', epoch: of });
      }
    }
  },
);

test.each([
  ['7', { next: 7, topicId: undefined, run: '' }],
  ['7 - run', { next: 7, topicId: undefined, run: 'run' }],
  // With the number of fields that a view stores behind it.
  ['7 id run 12', { next: 7, topicId: 'id', run: 'run' }],
  ['7 id run @3 12', { next: 7, topicId: 'id', run: 'run', epoch: 3 }],
  ['', undefined],
])('a position as it was stored by any version: %j', (text, position) => {
  expect(parsePosition(text)).toEqual(position);
});
