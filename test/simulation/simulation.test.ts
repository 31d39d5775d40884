import fc from 'fast-check';
import { Installation, TOPIC, type Fault } from './installation';
import type { ModelBatch } from './model-kafka';

jest.mock('../../src/kafka/wire/fetch-response', () => ({
  ...jest.requireActual<object>('../../src/kafka/wire/fetch-response'),
  unpackBatch: ({ records }: ModelBatch) => Promise.resolve({ records, memoryBytes: 0 }),
}));

/** In a replay a partition waits for another one of its shard. Time is modelled. */
jest.mock('../../src/lib/process/poller', () => ({
  ...jest.requireActual<object>('../../src/lib/process/poller'),
  pause: () => Promise.resolve(),
}));

/**
 * The same schedules each time, so that a run of CI repeats; `SEED=$RANDOM SCHEDULES=5000` goes
 * looking for others.
 */
const HOW_MANY = {
  seed: Number(process.env['SEED'] ?? 20_261_124),
  numRuns: Number(process.env['SCHEDULES'] ?? 300),
};

/**
 * Two loud stops that a rebuild repairs. Either usage was counted past a freeze that Redis had
 * lost, or Redis lost a freeze during a second close, which then froze at other offsets than the
 * ledger.
 */
const REBUILT_AFTER = ['FREEZE_LOST', 'FREEZE_CONFLICT'];

const partition = fc.nat({ max: 1 });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const publish: fc.Arbitrary<Fault> = fc.record({
  do: fc.constant('publish'),
  // More than there are before the growth: their number mod the partitions.
  partition: fc.nat({ max: 3 }),
  entries: fc.array(fc.constantFrom('event', 'event', 'event', 'repeat', 'bad', 'hidden'), {
    minLength: 1,
    maxLength: 12,
  }),
});
const plain = (
  ...names: ('grow' | 'lose reply' | 'send twice' | 'lose offsets' | 'close' | 'kill close' | 'outage')[]
) => fc.record({ do: fc.constantFrom(...names) }) as fc.Arbitrary<Fault>;
const rebalance: fc.Arbitrary<Fault> = fc.record({
  do: fc.constant('rebalance'),
  shift: partition,
  alone: fc.boolean(),
});
const kill: fc.Arbitrary<Fault> = fc.record({ do: fc.constant('kill'), member: fc.nat({ max: 1 }) });
const elect: fc.Arbitrary<Fault> = fc.record({ do: fc.constant('elect'), partition });
const loseTail: fc.Arbitrary<Fault> = fc.record({
  do: fc.constant('lose tail'),
  writes: fc.integer({ min: 1, max: 30 }),
});
const retention = (harmful: boolean): fc.Arbitrary<Fault> =>
  fc.record({
    ...{ do: fc.constant('retention'), partition, harmful: fc.constant(harmful) },
    // Nearly all of what is not applied yet: consumers are quick.
    share: harmful ? share.map((one) => 1 - one * one * one) : share,
  });

const harmless = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: publish },
    { weight: 2, arbitrary: rebalance },
    { weight: 2, arbitrary: kill },
    { weight: 2, arbitrary: elect },
    { weight: 2, arbitrary: loseTail },
    { weight: 3, arbitrary: plain('close') },
    { weight: 1, arbitrary: plain('grow') },
    { weight: 3, arbitrary: plain('lose reply', 'send twice', 'lose offsets', 'kill close', 'outage') },
    { weight: 1, arbitrary: retention(false) },
  ),
  { minLength: 4, maxLength: 24, size: 'max' },
);
const close: Fault = { do: 'close' };
const settle: Fault = { do: 'settle' };
const look: Fault = { do: 'look' };
const wait = fc.record({ do: fc.constant('wait' as const), steps: fc.nat({ max: 60 }) });
const choices = fc.array(fc.nat({ max: 1_000 }), { minLength: 40, maxLength: 40 });

/**
 * What lies below the cursors counts exactly once, bad events are dead letters, and invoices are
 * what was frozen.
 */
function judge(world: Installation): void {
  expect(Object.fromEntries(world.totals())).toEqual(Object.fromEntries(world.expected()));
  for (const [month, totals] of world.invoiced) {
    const whole = [...world.expectedAtClose(month)].filter(([key]) => key.split(' ')[1] === month);
    expect(Object.fromEntries(totals)).toEqual(Object.fromEntries(whole));
  }
  const letters = world.deadLetters();
  for (const [shard, log] of world.logs().entries()) {
    for (const [offset, entry] of log.counted().slice(0, world.cursors()[shard]).entries()) {
      if (entry === 'hidden' || entry.value !== 'bad') continue;
      expect(letters).toContain(`${TOPIC}/${shard}/${offset}`);
    }
  }
}

test.each([
  ['shown every batch', false],
  ['that hides batches without records', true],
])(
  'with a client %s: whatever fails, each event counts exactly once',
  async (_, hides) => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), harmless, choices, async (scheduler, faults, chosen) => {
        const world = new Installation(scheduler, hides, chosen);
        await world.run(faults);
        if (world.stopped !== undefined) {
          expect(REBUILT_AFTER).toContain(world.stopped);
          if (world.logs().some(({ start }) => start > 0)) return; // A rebuild needs the whole log.
          await world.rebuild();
          expect(world.stopped).toBeUndefined();
        }
        judge(world);
      }),
      HOW_MANY,
    );
  },
  120_000,
);

const before = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: publish },
    { weight: 1, arbitrary: rebalance },
    { weight: 1, arbitrary: kill },
    { weight: 1, arbitrary: elect },
    { weight: 1, arbitrary: loseTail },
    { weight: 2, arbitrary: plain('close', 'lose reply', 'send twice', 'lose offsets') },
    { weight: 1, arbitrary: retention(false) },
  ),
  { minLength: 2, maxLength: 12, size: 'max' },
);
const meanwhile = fc.array(
  fc.oneof(publish, elect, rebalance, kill, wait, plain('lose reply', 'send twice', 'lose offsets')),
  {
    maxLength: 6,
    size: 'max',
  },
);

test.each<[loss: string, stops: string[], fc.Arbitrary<Fault>]>([
  ['retention removed what was not applied', ['EVENTS_GONE'], retention(true)],
  [
    'a log lost its end, and fewer or more events were published after that',
    ['CURSOR_PAST_LOG_END', 'LOG_DIVERGED'],
    fc.record({ do: fc.constant('lose end'), partition, share, refill: fc.nat({ max: 30 }) }),
  ],
  [
    'the topic was recreated, with any length',
    ['TOPIC_REPLACED', 'CURSOR_PAST_LOG_END', 'LOG_DIVERGED'],
    fc.record({ do: fc.constant('recreate'), entries: fc.nat({ max: 40 }) }),
  ],
])(
  '%s: no process skips it silently, and no other event is taken for it',
  async (_, stops, loss) => {
    let stopped = 0;
    const lossAmongFaults = fc
      .tuple(before, publish, loss, meanwhile, fc.array(publish, { maxLength: 2 }))
      .map(([first, atLast, lost, second, after]): Fault[] => [
        ...[...first, atLast, lost],
        ...[...second, look, ...after],
      ]);
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), lossAmongFaults, choices, async (scheduler, faults, chosen) => {
        const world = new Installation(scheduler, false, chosen);
        await world.run(faults);
        if (REBUILT_AFTER.includes(world.stopped ?? '')) return; // Redis lost its tail before anything else.
        // Without a stop all that is there is applied, which a run waits for, and nothing that was
        // counted is lost.
        if (world.stopped === undefined) expect(world.mustStop).toBe(false);
        else expect(stops).toContain(world.stopped);
        judge(world);
        if (world.stopped !== undefined) stopped += 1;
      }),
      HOW_MANY,
    );
    // Otherwise the test would have shown nothing.
    expect(stopped).toBeGreaterThan(HOW_MANY.numRuns / 10);
  },
  120_000,
);

test('a freeze that is lost after its close is restored before late usage comes', async () => {
  const lossAfterClose = fc
    .tuple(publish, publish, loseTail, publish, publish)
    // Between: consumers have learned of the close, and the freeze is still lost.
    .map(([first, between, loss, second, third]): Fault[] => [
      ...[first, settle, close, settle],
      ...[between, settle, loss, second, third],
    ]);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), lossAfterClose, choices, async (scheduler, faults, chosen) => {
      const world = new Installation(scheduler, false, chosen);
      await world.run(faults);
      expect(world.stopped).toBeUndefined();
      judge(world);
    }),
    HOW_MANY,
  );
}, 120_000);

test('a Redis that goes back under a close changes no invoice', async () => {
  const lossInClose = fc
    .tuple(publish, publish, publish, wait, loseTail, publish)
    .map(([a, b, c, pause, loss, after]): Fault[] => [
      a,
      b,
      c,
      settle,
      close,
      pause,
      loss,
      after,
      settle,
      close,
    ]);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), lossInClose, choices, async (scheduler, faults, chosen) => {
      const world = new Installation(scheduler, false, chosen);
      await world.run(faults);
      if (world.stopped !== undefined) {
        expect(REBUILT_AFTER).toContain(world.stopped);
        await world.rebuild();
      }
      judge(world);
    }),
    HOW_MANY,
  );
}, 120_000);
