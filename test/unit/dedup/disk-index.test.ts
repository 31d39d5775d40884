import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { DiskIndex } from '../../../src/dedup/disk-index';
import { IndexTakenError } from '../../../src/dedup/manifest';
import { newDirectory, newThread } from './directories';

const LANES = ['usage.session', 'usage.session/2'];
const IDS = 200;
/** Small, so that each range makes a run, and some make a merge. */
const OPTIONS = { thread: newThread(), idsPerRun: 5 };

const root = newDirectory();

/** Fingerprints whose order is not that of their numbers; some have equal upper halves. */
const halvesOf = (ids: readonly number[]): Uint32Array =>
  Uint32Array.from(
    ids.flatMap((id) => [Math.imul(id, 0x9e3779b1) >>> 0, 1 + (Math.imul(id >> 2, 0x85ebca6b) >>> 1)]),
  );

const everyId = Array.from({ length: IDS }, (_, id) => id);

interface ModelRange {
  lane: string;
  next: number;
  ids: readonly number[];
}
/** What an index should hold: sets and lists. */
class Model {
  windows: { name: string; starts: Record<string, number>; ranges: ModelRange[] }[] = [];

  reached(lane: string): number {
    return (
      this.windows
        .at(-1)
        ?.ranges.filter((range) => range.lane === lane)
        .at(-1)?.next ??
      this.windows.at(-1)?.starts[lane] ??
      0
    );
  }

  /** The ids of each window, newest first. */
  ids(): Set<number>[] {
    return this.windows.map(({ ranges }) => new Set(ranges.flatMap(({ ids }) => ids))).reverse();
  }

  /** Forgets what is above the offsets that an index reaches. */
  follow(index: DiskIndex): void {
    this.windows = this.windows.filter(({ name }) => index.contexts().has(name));
    for (const window of this.windows) {
      window.ranges = window.ranges.filter(({ lane, next }) => next <= index.reached(window.name, lane)!);
    }
  }
}

const filesOf = (directory: string): number =>
  readdirSync(directory).filter((name) => name.startsWith('run-')).length;

async function expectSame(index: DiskIndex, model: Model): Promise<void> {
  expect([...index.contexts().keys()]).toEqual(model.windows.map(({ name }) => name));
  const names = model.windows.map(({ name }) => name).reverse();
  const sets = model.ids();
  const expected = everyId.map((id) => sets.findIndex((ids) => ids.has(id)) + 1);
  expect([...(await index.lookUp(names, halvesOf(everyId)))]).toEqual(expected);
  // Few at a time are read in another way.
  for (let id = 0; id < IDS; id += 67)
    expect([...(await index.lookUp(names, halvesOf([id])))]).toEqual([expected[id]]);
}

type Step =
  | { do: 'add'; lane: string; offsets: number; ids: number[] }
  | { do: 'begin' | 'reopen' | 'crash' | 'take over' | 'settle' | 'forget' }
  | { do: 'cut back'; shares: number[] };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        lane: fc.constantFrom(...LANES),
        offsets: fc.integer({ min: 1, max: 30 }),
        ids: fc.array(fc.nat({ max: IDS - 1 }), { minLength: 10, maxLength: 30 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('begin' as const, 'forget' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom('reopen' as const, 'crash' as const, 'settle' as const) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('take over' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('cut back' as const),
        shares: fc.array(fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })), {
          minLength: 2,
          maxLength: 2,
        }),
      }),
    },
  ),
  { minLength: 10, maxLength: 60, size: 'max' },
);

test('it holds what was added up to the offsets that it reaches, whatever happens to it', async () => {
  const write = jest.spyOn(OPTIONS.thread, 'write');
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const directory = mkdtempSync(join(root, 'run-'));
      const open = (): Promise<DiskIndex> => DiskIndex.open(directory, 'mine', OPTIONS);
      let index = await open();
      const others: DiskIndex[] = [];
      const model = new Model();
      const begin = async (): Promise<void> => {
        const name = `window ${model.windows.length === 0 ? 0 : Number(model.windows.at(-1)!.name.slice(7)) + 1}`;
        const starts = Object.fromEntries(LANES.map((lane) => [lane, model.reached(lane)]));
        await index.begin(name, `context of ${name}`, starts);
        model.windows.push({ name, starts, ranges: [] });
      };
      await begin();
      for (const step of all) {
        switch (step.do) {
          case 'add': {
            const window = model.windows.at(-1)!;
            const from = model.reached(step.lane);
            const next = from + step.offsets;
            await index.add({ window: window.name, lane: step.lane, from, next, halves: halvesOf(step.ids) });
            window.ranges.push({ lane: step.lane, next, ids: step.ids });
            break;
          }
          case 'begin':
            await begin();
            break;
          case 'forget': {
            if (model.windows.length < 2) break;
            await index.forget([model.windows.shift()!.name]);
            break;
          }
          case 'reopen':
            await index.close();
            index = await open();
            break;
          case 'crash': // What was written stays, and nothing is ended.
          case 'take over': {
            others.push(index);
            index = await open();
            break;
          }
          case 'settle':
            await index.settle();
            break;
          case 'cut back': {
            const cursors = Object.fromEntries(
              LANES.map((lane, at) => [lane, Math.floor(model.reached(lane) * step.shares[at]!)]),
            );
            await index.cutBack(cursors);
            for (const { name } of model.windows)
              for (const lane of LANES)
                expect(index.reached(name, lane) ?? 0).toBeLessThanOrEqual(cursors[lane]!);
            model.follow(index);
            if (model.windows.length === 0) await begin();
            break;
          }
        }
        expect(index.discarded).toBeUndefined();
        for (const lane of LANES)
          expect(index.reached(model.windows.at(-1)!.name, lane)).toBe(model.reached(lane));
        await expectSame(index, model);
      }
      await index.settle();
      await expectSame(index, model);
      // What was abandoned has left no file.
      if (others.length === 0) expect(filesOf(directory)).toBe(index.runs().length);
      await index.close();
      // A process that lost its folder to another one may only have ended with that.
      for (const other of others) {
        const ended = await other.settle().catch((error: unknown) => error);
        if (ended !== undefined)
          expect((ended as NodeJS.ErrnoException).code ?? ended).toEqual(
            ended instanceof IndexTakenError ? expect.any(IndexTakenError) : 'ENOENT',
          );
        await other.close();
      }
    }),
    { numRuns: 25 },
  );
  const merges = write.mock.calls.filter(([{ runs }]) => runs.length > 0).length;
  expect(merges).toBeGreaterThan(25); // Otherwise the test would have shown little.
}, 120_000);
