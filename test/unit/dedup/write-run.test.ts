import { mkdtempSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DamagedIndexError } from '../../../src/dedup/run-file';
import { writeRun } from '../../../src/dedup/write-run';
import { newDirectory } from './directories';
import { halvesAt } from './growing-index';

const root = newDirectory();
const IDS = 40_000;

/** A folder with two runs, and what merges them. */
function twoRuns() {
  const directory = mkdtempSync(join(root, 'runs-'));
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const runs = [0, IDS].map((from) =>
    writeRun({ directory, halves: halvesAt(from, from + IDS), runs: [], stop })!,
  );
  return { directory, stop, runs, halves: new Uint32Array(0) };
}

test('a merge holds the ids of its runs, each once', () => {
  const request = twoRuns();
  expect(writeRun(request)).toMatchObject({ count: 2 * IDS });
  expect(writeRun({ ...request, runs: [...request.runs, ...request.runs] })).toMatchObject({
    count: 2 * IDS,
  });
});

test('a merge that is given up, or fails, leaves no file', () => {
  const request = twoRuns();
  const before = readdirSync(request.directory);
  Atomics.store(request.stop, 0, 1);
  expect(writeRun(request)).toBeUndefined();
  expect(readdirSync(request.directory)).toEqual(before);

  Atomics.store(request.stop, 0, 0);
  truncateSync(join(request.directory, request.runs[0]!.name), 100);
  expect(() => writeRun(request)).toThrow(DamagedIndexError);
  expect(readdirSync(request.directory)).toEqual(before);
});
