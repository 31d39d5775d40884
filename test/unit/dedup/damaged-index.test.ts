import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DiskIndex } from '../../../src/dedup/disk-index';
import { DamagedIndexError } from '../../../src/dedup/run-file';
import { LANE, halvesAt, IDENTITY, IDS_PER_RUN, WINDOW, idsUpTo } from './growing-index';
import { newDirectory, newThread } from './directories';

const OPTIONS = { thread: newThread(), idsPerRun: IDS_PER_RUN };

/**
 * Whether it holds all ids up to the offset that it reaches, and no others. Throws what a lookup
 * throws.
 */
async function expectRight(index: DiskIndex, end: number): Promise<number> {
  const reached = index.reached(WINDOW, LANE);
  if (reached === undefined) return 0;
  expect(reached).toBeLessThanOrEqual(end);
  const found = await index.lookUp([WINDOW], idsUpTo(end));
  expect(found.indexOf(0)).toBe(reached);
  expect(found.indexOf(1, reached)).toBe(-1);
  return reached;
}

const END = 5_300;

/** An index of a run of eight, a small one, and a tail. */
async function fill(directory: string): Promise<void> {
  const index = await DiskIndex.open(directory, IDENTITY, OPTIONS);
  await index.begin(WINDOW, 'context', { [LANE]: 0 });
  for (let from = 0; from < END; from += 50) {
    await index.add({ window: WINDOW, lane: LANE, from, next: from + 50, halves: halvesAt(from, from + 50) });
    await index.settle();
  }
  expect(index.runs().length).toBeGreaterThan(1);
  await index.close();
}

jest.setTimeout(120_000); // Many files are copied and opened.

describe('files that are not what was written', () => {
  const [root, whole, other] = [newDirectory(), newDirectory(), newDirectory()];
  beforeAll(() => fill(whole));

  /** What becomes of the index when one of its files is changed. */
  async function openWith(
    name: string,
    change: (path: string) => void,
  ): Promise<'empty' | 'damaged' | number> {
    const directory = mkdtempSync(join(root, 'changed-'));
    cpSync(whole, directory, { recursive: true });
    change(join(directory, name));
    const index = await DiskIndex.open(directory, IDENTITY, OPTIONS);
    try {
      if (index.contexts().size === 0) {
        expect(readdirSync(directory).filter((file) => file.startsWith('run-'))).toEqual([]);
        return 'empty';
      }
      return await expectRight(index, END);
    } catch (error) {
      if (!(error instanceof DamagedIndexError)) throw error;
      return 'damaged';
    } finally {
      await index.close();
      rmSync(directory, { recursive: true });
    }
  }

  /** Some bytes of a file, its first and last among them. */
  function* bytesOf(name: string): Generator<number> {
    const { length } = readFileSync(join(whole, name));
    const step = Math.max(1, Math.floor(length / 12));
    for (let at = 0; at < length; at += step) yield at;
    yield length - 1;
  }

  const names = (kind: string): string[] => readdirSync(whole).filter((name) => name.startsWith(kind));

  test('a run or a manifest that was cut anywhere is thrown away', async () => {
    for (const name of [...names('run-'), ...names('manifest')])
      for (const at of bytesOf(name))
        expect(await openWith(name, (path) => truncateSync(path, at))).toBe('empty');
  });

  test('a run or a manifest with any bit changed gives no answer', async () => {
    for (const name of [...names('run-'), ...names('manifest')]) {
      for (const at of bytesOf(name)) {
        const flip = (path: string): void => {
          const bytes = readFileSync(path);
          bytes[at]! ^= 1 << (at % 8);
          writeFileSync(path, bytes);
        };
        expect(['empty', 'damaged']).toContain(await openWith(name, flip));
      }
    }
  });

  test('a tail that was cut or changed reaches less far', async () => {
    const [name] = names('tail-') as [string];
    for (const at of bytesOf(name)) {
      const cut = await openWith(name, (path) => truncateSync(path, at));
      const flipped = await openWith(name, (path) => {
        const bytes = readFileSync(path);
        bytes[at]! ^= 1 << (at % 8);
        writeFileSync(path, bytes);
      });
      expect(cut).toBeLessThan(END);
      expect(flipped).toBeLessThan(END);
      expect(cut).toBeGreaterThanOrEqual(4_500); // What is in the runs stays.
    }
  });

  test('a file that is missing empties it, and so does a run of another index', async () => {
    await fill(other);
    for (const name of readdirSync(whole)) {
      expect(await openWith(name, (path) => rmSync(path))).toBe('empty');
    }
    const [run] = names('run-') as [string];
    const [foreign] = readdirSync(other).filter((name) => name.startsWith('run-')) as [string];
    expect(await openWith(run, (path) => cpSync(join(other, foreign), path))).toBe('empty');
  });

  test('blocks that changed places give no answer', async () => {
    const large = names('run-').find((name) => readFileSync(join(whole, name)).length > 3 * 4_096)!;
    const swap = (path: string): void => {
      const bytes = readFileSync(path);
      const first = Buffer.from(bytes.subarray(0, 4_096));
      bytes.copyWithin(0, 4_096, 8_192);
      first.copy(bytes, 4_096);
      writeFileSync(path, bytes);
    };
    expect(await openWith(large, swap)).toBe('damaged');
  });

  test('the index of something else is emptied, and so is that of another version', async () => {
    const directory = mkdtempSync(join(root, 'foreign-'));
    cpSync(whole, directory, { recursive: true });
    const index = await DiskIndex.open(directory, 'of another partition', OPTIONS);
    expect(index.contexts().size).toBe(0);
    expect(index.discarded).toMatch(/something else/);
    await index.close();
  });

  test('a disk that cannot be written is reported, not taken for an empty one', async () => {
    await expect(DiskIndex.open(join(whole, names('run-')[0]!), IDENTITY, OPTIONS)).rejects.toThrow(
      /EEXIST|ENOTDIR/,
    );
  });
});

const grown = newDirectory();

test('a process that is killed at any time leaves an index that is right', async () => {
  const directory = grown;
  let reached = 0;
  for (let kill = 0; kill < 4; kill += 1) {
    const child = spawn(
      process.execPath,
      ['-r', './test/kit/load-typescript.js', 'test/unit/dedup/growing-index.ts', directory],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = once(child, 'exit');
    let added = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      added = Number(line);
      if (added >= reached + 2_000 + kill * 700) child.kill('SIGKILL');
    }
    await ended;
    const index = await DiskIndex.open(directory, IDENTITY, OPTIONS);
    expect(index.discarded).toBeUndefined();
    reached = index.reached(WINDOW, LANE)!;
    // What a process had reported is there: only a crash of the machine takes a tail away.
    expect(reached).toBeGreaterThanOrEqual(added);
    await expectRight(index, reached);
    await index.close();
  }
});
