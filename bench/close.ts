import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeService } from '../src/dev/services/service';
import { readTotals } from '../src/redis/usage/read-usage';
import { applyMadeUp, initInstallation, initMadeUp, openBenchStore } from './installation';
import { runProgram } from './processes';
import { environment, newPrefix, startRedis } from './servers';
import { TOTALS_COMMAND } from './targets';
import { lastMonth, projectNames } from './workload';

export interface CloseResult {
  readonly section: 'close';
  readonly what: string;
  readonly projects: number;
  readonly seconds: number;
  readonly cpuSeconds?: number;
  readonly peakMemoryMb?: number;
}

const SHARDS = 12;
const USAGES_PER_PROJECT = 4;
const READ_PROJECTS = 500;
/** A start takes so little that a single one says little. */
const STARTS = 21;

const BUILD = join(__dirname, '..');

/** Seconds that a program takes from its start to its end, as its user waits for it. */
function medianStart(words: readonly string[], env: Readonly<Record<string, string>>): number {
  const times = Array.from({ length: STARTS }, () => {
    const startedAt = performance.now();
    const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status}: ${stderr}`);
    return (performance.now() - startedAt) / 1000;
  });
  return times.sort((a, b) => a - b)[(STARTS - 1) / 2]!;
}

/**
 * A close of a month by the command that ops use, with a paid plan for every project; and reading
 * of totals.
 */
export async function measureClose(
  kafka: NativeService,
  projectCount: number,
  onResult: (result: CloseResult) => void,
): Promise<void> {
  const redis = await startRedis();
  const env = environment(kafka, redis, newPrefix('close'));
  const month = lastMonth(Date.now());
  const projects = projectNames(projectCount);
  const store = await openBenchStore(env);
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-bench-'));
  const run = async (what: string, words: readonly string[]): Promise<void> =>
    onResult({
      ...{ section: 'close', what, projects: projectCount },
      ...(await runProgram('src/cli/tallyman.js', words, env)),
    });
  try {
    await initInstallation(env, SHARDS);
    await initMadeUp(store, SHARDS);
    const count = Math.ceil((projectCount * USAGES_PER_PROJECT) / SHARDS) * SHARDS;
    await applyMadeUp(store, { shards: SHARDS, first: 0, count, month, projects });
    const file = join(folder, 'projects.ndjson');
    writeFileSync(
      file,
      projects
        .map((project) => JSON.stringify({ project, plans: [{ plan: 'ship', from: `${month}-01` }] }))
        .join('\n'),
    );
    await run('projects import', ['projects', 'import', file]);
    const totals = [join(BUILD, 'src/cli/tallyman.js'), 'totals', projects[0]!, '--month', month];
    for (const [what, words] of [
      ['node alone, from its start to its end', ['-e', '0']],
      [TOTALS_COMMAND, totals],
    ] as const) {
      onResult({ section: 'close', what, projects: projectCount, seconds: medianStart(words, env) });
    }
    const startedAt = performance.now();
    for (const project of projects.slice(0, READ_PROJECTS)) await readTotals(store, project, month);
    const readCount = Math.min(READ_PROJECTS, projectCount);
    onResult({
      ...{ section: 'close', what: 'totals of one project, the reading', projects: projectCount },
      seconds: (performance.now() - startedAt) / 1000 / readCount,
    });
    await run('close', ['close', month, '--grace', '0s']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await store.close();
    await redis.stop();
  }
}
