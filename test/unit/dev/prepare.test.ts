import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIsStale, installIsStale, nodeIsTooOld, withLock } from '../../../src/dev/prepare';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tallyman-prepare-test-'));
});
afterEach(() => rmSync(root, { recursive: true }));

test.each([
  ['20.19.0', false],
  ['20.20.2', false],
  ['22.0.0', false],
  ['20.18.3', true],
  ['18.99.0', true],
])('Node %s is too old: %s', (version, expected) => {
  expect(nodeIsTooOld(version, '>=20.19')).toBe(expected);
});

describe('an install is stale', () => {
  const lock = {
    packages: {
      '': {},
      'node_modules/a': { integrity: 'a1' },
      'node_modules/b': { integrity: 'b1' },
      'node_modules/other-platform': { integrity: 'o1', optional: true },
    },
  };
  const installed = (packages: Record<string, string>): Parameters<typeof installIsStale>[1] => ({
    packages: Object.fromEntries(
      Object.entries(packages).map(([name, integrity]) => [`node_modules/${name}`, { integrity }]),
    ),
  });

  test.each([
    ['never, when it is what the lock file says', { a: 'a1', b: 'b1', 'other-platform': 'o1' }, false],
    ['never, when npm left an optional package out', { a: 'a1', b: 'b1' }, false],
    ['when a package is missing', { a: 'a1' }, true],
    ['when a package is another', { a: 'a1', b: 'b2' }, true],
    ['when an optional package is another', { a: 'a1', b: 'b1', 'other-platform': 'o2' }, true],
    ['when a package is no longer wanted', { a: 'a1', b: 'b1', c: 'c1' }, true],
  ])('%s', (_when, packages, expected) => {
    expect(installIsStale(lock, installed(packages as Record<string, string>))).toBe(expected);
  });

  test('when nothing is installed, or an install was cut off', () => {
    expect(installIsStale(lock, undefined)).toBe(true);
  });
});

describe('a build is stale', () => {
  const at = (seconds: number): Date => new Date(1_700_000_000_000 + seconds * 1000);
  const write = (path: string, seconds: number): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), '');
    touch(path, seconds);
  };
  const touch = (path: string, seconds: number): void =>
    utimesSync(join(root, path), at(seconds), at(seconds));

  beforeEach(() => {
    for (const path of [
      'src/rating/rate.ts',
      'consumers/agent.ts',
      'schemas/x.json',
      'bench/a.ts',
      'tsconfig.json',
    ]) {
      write(path, 1);
    }
    write('package-lock.json', 1);
    for (const folder of ['src/rating', 'src', 'consumers', 'schemas', 'bench']) touch(folder, 1);
    write('dist/.built', 10);
  });

  test('never, when every source is older', () => {
    expect(buildIsStale(root)).toBe(false);
  });

  test('when there was none', () => {
    rmSync(join(root, 'dist/.built'));
    expect(buildIsStale(root)).toBe(true);
  });

  test.each([
    'src/rating/rate.ts',
    'consumers/agent.ts',
    'schemas/x.json',
    'bench/a.ts',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
  ])('when %s is newer', (path) => {
    write(path, 11);
    expect(buildIsStale(root)).toBe(true);
  });

  test('when a source was deleted', () => {
    rmSync(join(root, 'src/rating/rate.ts'));
    expect(buildIsStale(root)).toBe(true);
  });

  test.each(['README.md', 'test/a.test.ts', 'docs/x.md'])('never, because of %s', (path) => {
    write(path, 11);
    expect(buildIsStale(root)).toBe(false);
  });
});

describe('the lock', () => {
  const fail = (pid: string): never => {
    throw new Error(`waits for ${pid}`);
  };

  test('is free again after its work, also when that threw', () => {
    expect(withLock(root, fail, () => 'done')).toBe('done');
    expect(() =>
      withLock(root, fail, () => {
        throw new Error('work failed');
      }),
    ).toThrow('work failed');
    expect(withLock(root, fail, () => readdirSync(root))).toEqual([String(process.pid)]);
  });

  test('waits for another living process', () => {
    writeFileSync(join(root, String(process.ppid)), '');
    expect(() => withLock(root, fail, () => 'done')).toThrow(`waits for ${process.ppid}`);
  });

  test('is taken from a process that died with it', () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    writeFileSync(join(root, String(pid)), '');
    expect(withLock(root, fail, () => 'done')).toBe('done');
  });

  test('is taken when its pid is in use again by some process', () => {
    const claim = join(root, String(process.ppid));
    writeFileSync(claim, '');
    utimesSync(claim, new Date(0), new Date(0));
    expect(withLock(root, fail, () => 'done')).toBe('done');
  });
});
