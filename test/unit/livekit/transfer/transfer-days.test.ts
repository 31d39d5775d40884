import fc from 'fast-check';
import type { NodeBytes } from '../../../../src/livekit/transfer/node-bytes';
import type { TransferCount } from '../../../../schemas/types';
import { countUp, usagesOf } from '../../../../src/livekit/transfer/transfer-days';

const WHERE = { source: '/livekit', project: 'acme' };
const at = (day: string, hour: number): { day: string; atMs: number } => ({
  day,
  atMs: Date.parse(`${day}T00:00:00Z`) + hour * 3_600_000,
});
const reading = (node: string, downstream: bigint, upstream = 0n): NodeBytes => ({
  node,
  downstream,
  upstream,
});

/** Counts up reading by reading. */
function after(
  ...readings: [{ day: string; atMs: number }, NodeBytes | 'none' | undefined][]
): TransferCount {
  return readings.reduce<TransferCount | undefined>(
    (count, [now, one]) => countUp(count, now, one),
    undefined,
  )!;
}

test('a day is the difference of its readings, and is finished by the first reading of another day', () => {
  const count = after(
    [at('2026-10-01', 1), reading('ND_1', 1_000n, 50n)],
    [at('2026-10-01', 9), reading('ND_1', 5_000n, 60n)],
    [at('2026-10-02', 1), reading('ND_1', 5_500n, 60n)],
  );
  expect(usagesOf(count, WHERE)).toEqual([
    {
      ...{
        specversion: '1.0',
        id: 'ND_1/2026-10-01/downstream',
        source: '/livekit',
        type: 'usage.transfer.v1',
      },
      ...{ subject: 'acme', time: '2026-10-01T09:00:00.000Z' },
      data: { service: 'webrtc', direction: 'downstream', bytes: '4000' },
    },
    expect.objectContaining({
      id: 'ND_1/2026-10-01/upstream',
      data: expect.objectContaining({ bytes: '10' }),
    }),
  ]);
  expect(count.bytes).toEqual({ ND_1: { downstream: '500', upstream: '0' } });
});

test('a server that began again counts from zero, under the id of its own', () => {
  const count = after(
    [at('2026-10-01', 1), reading('ND_1', 1_000n)],
    [at('2026-10-01', 2), reading('ND_1', 1_700n)],
    [at('2026-10-01', 3), reading('ND_2', 2_000n)],
  );
  expect(count.bytes).toMatchObject({ ND_1: { downstream: '700' }, ND_2: { downstream: '2000' } });
});

test('a server that had no counters yet when it was first read has transferred all that they show later', () => {
  const count = after([at('2026-10-01', 1), 'none'], [at('2026-10-01', 2), reading('ND_1', 300n)]);
  expect(count.bytes).toMatchObject({ ND_1: { downstream: '300' } });
});

test('a day ends even if the node no longer answers', () => {
  const count = after(
    [at('2026-10-01', 1), reading('ND_1', 0n)],
    [at('2026-10-01', 2), reading('ND_1', 300n)],
    [at('2026-10-02', 1), undefined],
  );
  expect(usagesOf(count, WHERE)).toMatchObject([
    { id: 'ND_1/2026-10-01/downstream', data: { bytes: '300' } },
  ]);
});

test('a clock that is behind another does not open a day again', () => {
  const count = after(
    [at('2026-10-02', 0), reading('ND_1', 100n)],
    [at('2026-10-01', 23), reading('ND_1', 400n)],
  );
  expect(count).toMatchObject({ day: '2026-10-02', finished: [], atMs: at('2026-10-02', 0).atMs });
});

const step = fc.record({
  downstream: fc.bigInt({ min: 0n, max: 3n * 2n ** 40n }),
  upstream: fc.bigInt({ min: 0n, max: 1_000n }),
  /**
   * What happens to the server before: nothing, a restart with a new id, or a counter that begins
   * again.
   */
  restart: fc.constantFrom(false, false, false, 'new id', 'same id'),
  answers: fc.boolean(),
  nextDay: fc.boolean(),
});

test('whatever restarts and missed readings there are, the events add up to all that was read in the end', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let [node, day] = [1, 1];
      let counters = { downstream: 0n, upstream: 0n };
      let [isRead, transferred, lost] = [true, 0n, 0n];
      let unread = 0n;
      let count = countUp(undefined, at('2026-10-01', 0), 'none')!;
      const sums = new Map<string, bigint>();
      const read = (answers: boolean): void => {
        const answer = answers ? reading(`ND_${node}`, counters.downstream, counters.upstream) : undefined;
        count = countUp(count, at(`2026-10-${String(day).padStart(2, '0')}`, 1), answer)!;
        for (const { id, data } of usagesOf(count, WHERE)) {
          expect(sums.has(id)).toBe(false);
          sums.set(id, BigInt(data.bytes));
        }
        count = { ...count, finished: [] };
        if (answers) [isRead, unread] = [true, 0n];
      };
      for (const { downstream, upstream, restart, answers, nextDay } of steps) {
        if (nextDay && day < 30) day += 1;
        if (restart === 'new id' || (restart === 'same id' && isRead)) {
          // What a server transferred since it was last read goes with it.
          lost += unread;
          unread = 0n;
          counters = { downstream: 0n, upstream: 0n };
          if (restart === 'new id') node += 1;
        }
        // A counter that fell below its last reading shows that it began again; one that did not
        // cannot be told.
        if (restart === 'same id') read(true);
        counters = { downstream: counters.downstream + downstream, upstream: counters.upstream + upstream };
        transferred += downstream + upstream;
        unread += downstream + upstream;
        isRead = false;
        read(answers);
      }
      read(true);
      day = 31;
      read(false);
      expect([...sums.values()].reduce((sum, bytes) => sum + bytes, 0n)).toBe(transferred - lost);
    }),
  );
});
