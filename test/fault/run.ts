import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CaseResult } from './support/fault-case';
import { resultsTable } from './support/results-table';

/**
 * npm run test:faults [-- --write-results] [jest's arguments]
 * npm run test:cluster [-- --write-results] [jest's arguments]
 *
 * Runs the fault suite, or its cases on clusters, and ends with a table of its cases.
 * `--write-results` puts the table into the docs, between its markers. SEED=... repeats a run;
 * FAULT_SCALE=0.1 runs a tenth of the load.
 * `chaos --seeds 20 --from 1` chooses the seeds of the chaos test;
 * `http/bridge --outage-seconds 300` how long Kafka is away from the bridge.
 */
const WRITE_RESULTS = '--write-results';
const CLUSTER = '--cluster';
const DOCUMENT = 'docs/exactness.md';
const suite = process.argv.includes(CLUSTER) ? 'cluster' : 'fault';
const [BEGIN, END] = [`<!-- ${suite} results: begin -->`, `<!-- ${suite} results: end -->`];

const folder = mkdtempSync(join(tmpdir(), 'tallyman-faults-'));
const resultsFile = join(folder, 'results.ndjson');
writeFileSync(resultsFile, '');
process.env['SEED'] ??= String(Date.now() % 1_000_000);

const startedAt = Date.now();
const words = process.argv.slice(2);
takeNumber('--seeds', 'CHAOS_SEEDS');
takeNumber('--from', 'CHAOS_FROM');
takeNumber('--outage-seconds', 'FAULT_OUTAGE_SECONDS');
const jest = spawn(
  process.execPath,
  [
    ...[require.resolve('jest/bin/jest'), '-c', 'test/jest.config.js'],
    ...words.filter((word) => word !== WRITE_RESULTS && word !== CLUSTER),
    ...(suite === 'cluster' ? ['--maxWorkers=1'] : []), // A cluster takes a machine.
    // Last: it takes every word that follows for a project.
    ...['--selectProjects', suite],
  ],
  { stdio: 'inherit', env: { ...process.env, TALLYMAN_FAULT_RESULTS: resultsFile } },
);
// Ctrl-C reaches jest as well, which has servers to stop: wait for it.
process.on('SIGINT', () => undefined);
jest.on('close', (code) => {
  const results = readFileSync(resultsFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CaseResult);
  rmSync(folder, { recursive: true });
  const table = resultsTable(results);
  const day = new Date(startedAt).toISOString().slice(0, 10);
  const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
  const about = `SEED=${process.env['SEED']} on ${day}: ${minutes} minutes on ${availableParallelism()} cores.`;
  process.stdout.write(`\n${about}\n\n${table}\n`);
  // Jest also fails where a case was never begun, of a file that cannot be read.
  if (code !== 0) process.stdout.write(`FAILED: jest ended with ${code}, see above.\n`);
  if (words.includes(WRITE_RESULTS)) writeBlock(`${about}\n\n${table}`);
  process.exitCode = code ?? 1;
});

/** Takes an option and its number out of the words, for the tests' environment. */
function takeNumber(option: string, variable: string): void {
  const at = words.indexOf(option);
  if (at < 0) return;
  const [, text = ''] = words.splice(at, 2);
  if (!/^\d+$/.test(text)) throw new Error(`${option} is followed by a number`);
  process.env[variable] = text;
}

function writeBlock(results: string): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [before, rest] = text.split(BEGIN) as [string, string?];
  const after = rest?.split(END)[1];
  if (after === undefined)
    throw new Error(`${DOCUMENT} has no place for the results, between ${BEGIN} and ${END}`);
  writeFileSync(DOCUMENT, `${before}${BEGIN}\n\n${results}\n${END}${after}`);
  process.stdout.write(`Written to ${DOCUMENT}.\n`);
}
