import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { newDirectory, newThread } from '../../unit/dedup/directories';
import { IdsWorld, type IdsFault } from './ids-world';

/** As in simulation.test.ts. */
const HOW_MANY = {
  seed: Number(process.env['SEED'] ?? 20_261_128),
  numRuns: Number(process.env['SCHEDULES'] ?? 60),
  endOnFailure: process.env['SHRINK'] === 'no',
};

const root = newDirectory();
const thread = newThread();

const shard = fc.nat({ max: 1 });
const publish: fc.Arbitrary<IdsFault> = fc.record({
  do: fc.constant('publish'),
  shard,
  lane: fc.nat({ max: 1 }),
  kinds: fc.array(fc.constantFrom('new', 'new', 'repeat', 'repeat', 'repeat', 'void', 'bad'), {
    minLength: 1,
    maxLength: 10,
  }),
});
const plain: fc.Arbitrary<IdsFault> = fc.record({
  do: fc.constantFrom('kill', 'share disk', 'second owner', 'end second owners', 'grow', 'lose reply'),
});
const disk: fc.Arbitrary<IdsFault> = fc.record({
  do: fc.constantFrom(
    'lose disk',
    'copy disk',
    'copy disk',
    'old disk',
    'old disk',
    'swap disks',
    'tear disk',
  ),
  owner: fc.nat({ max: 3 }),
});
const topic: fc.Arbitrary<IdsFault> = fc.record({
  do: fc.constantFrom('cut topic', 'recreate topic'),
  shard,
});
const loseTail: fc.Arbitrary<IdsFault> = fc.record({
  do: fc.constant('lose tail'),
  writes: fc.integer({ min: 1, max: 20 }),
});
const close: fc.Arbitrary<IdsFault> = fc.record({
  do: fc.constant('close'),
  isRecorded: fc.oneof(fc.constant(true), fc.constant(true), fc.constant(false)),
});
const rebuild: fc.Arbitrary<IdsFault> = fc.record({ do: fc.constant('rebuild') });
const retention: fc.Arbitrary<IdsFault> = fc.record({ do: fc.constant('retention'), shard });
const choices = fc.array(fc.nat({ max: 1_000 }), { minLength: 40, maxLength: 40 });

const harmless = [
  { weight: 7, arbitrary: publish },
  { weight: 4, arbitrary: plain },
  { weight: 3, arbitrary: disk },
  { weight: 1, arbitrary: topic },
  { weight: 2, arbitrary: loseTail },
  { weight: 2, arbitrary: close },
  { weight: 1, arbitrary: rebuild },
];
const listOf = (...more: { weight: number; arbitrary: fc.Arbitrary<IdsFault> }[]): fc.Arbitrary<IdsFault[]> =>
  fc.array(fc.oneof(...harmless, ...more), { minLength: 6, maxLength: 30, size: 'max' });

async function judged(
  faults: fc.Arbitrary<IdsFault[]>,
  months: fc.Arbitrary<number>,
  onRun: (world: IdsWorld) => void,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), faults, months, choices, async (scheduler, all, kept, chosen) => {
      const directory = mkdtempSync(join(root, 'run-'));
      const world = new IdsWorld(scheduler, kept, chosen, directory, thread);
      await world.run(all).catch((e) => {
        if (process.env['SHOW']) console.log(JSON.stringify(all));
        throw e;
      });
      for (const { shown, expected } of world.totals())
        expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(expected));
      onRun(world);
      rmSync(directory, { recursive: true, force: true });
    }),
    HOW_MANY,
  );
}

test('with ids on disks, each event counts exactly once, whatever fails', async () => {
  const seen = { refused: 0, fromLog: 0, discarded: 0, taken: 0 };
  await judged(listOf(), fc.constantFrom(2, 2, 3), (world) => {
    expect(world.isStopped).toBe(false);
    for (const what of Object.keys(seen) as (keyof typeof seen)[]) seen[what] += world.seen[what];
  });
  // Otherwise the test would have shown nothing.
  for (const often of Object.values(seen)) expect(often).toBeGreaterThan(HOW_MANY.numRuns / 6);
}, 300_000);

/** A repeat may be in another lane, and be counted there when both lanes are counted again. */
const grown = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: publish },
      { weight: 4, arbitrary: loseTail },
      { weight: 2, arbitrary: plain },
      { weight: 1, arbitrary: disk },
    ),
    { minLength: 8, maxLength: 30, size: 'max' },
  )
  .map((faults): IdsFault[] => [{ do: 'grow' }, ...faults]);

/**
 * A close dies before its record, Redis loses the cut-off, the month is cut off later, and disks
 * come back from before that.
 */
const cutOffElsewhere = fc
  .array(fc.tuple(publish, publish, loseTail, publish, publish, publish), { minLength: 1, maxLength: 3 })
  .map((all) =>
    all.flatMap(([first, between, loss, second, after, last]): IdsFault[] => [
      ...[first, { do: 'close', isRecorded: false } as const, between, ...onBothDisks('copy disk'), loss],
      ...[second, { do: 'close', isRecorded: true } as const, after, ...onBothDisks('old disk')],
      ...[{ do: 'close', isRecorded: true } as const, last],
    ]),
  );

const onBothDisks = (what: 'copy disk' | 'old disk'): IdsFault[] => [
  { do: what, owner: 0 },
  { do: what, owner: 1 },
];

test.each([
  ['lanes of a grown shard are counted again in another order', grown],
  ['a month is cut off again, elsewhere', cutOffElsewhere],
])(
  '%s: each event counts exactly once',
  async (_, faults) => {
    await judged(faults, fc.constant(2), (world) => expect(world.isStopped).toBe(false));
  },
  300_000,
);

test('if the log is too short for what disk and topic lack, nothing is counted without it', async () => {
  // All that is counted may be deleted from the log, and then only the log would have it.
  const loss: IdsFault[] = [
    { do: 'retention', shard: 0 },
    { do: 'recreate topic', shard: 0 },
    ...[0, 1, 2, 3].map((owner): IdsFault => ({ do: 'lose disk', owner })),
  ];
  const faults = fc
    .tuple(listOf({ weight: 1, arbitrary: retention }), fc.array(publish, { maxLength: 3 }))
    .map(([before, after]) => [...before, ...loss, ...after]);
  let stopped = 0;
  await judged(faults, fc.constant(2), (world) => {
    if (world.isStopped) stopped += 1;
  });
  expect(stopped).toBeGreaterThan(HOW_MANY.numRuns / 10);
}, 300_000);
