import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Redis } from 'ioredis';
import type { NativeService } from '../src/dev/services/service';
import { previousMonth } from '../src/rating/month';
import { FingerprintSet } from '../src/dedup/fingerprint-set';
import type { Store } from '../src/redis/store';
import { initInstallation, openBenchStore } from './installation';
import { runProgram, startChild } from './processes';
import { environment, newPrefix, startRedis } from './servers';
import { lastMonth, projectNames } from './workload';

/** What the sizing model needs and no other section measures. Bytes are of one of each. */
export interface SizeResult {
  readonly section: 'size';
  readonly what: 'installation';
  readonly events: number;
  readonly projects: number;
  /** Events per second of CPU of the process. */
  readonly verifyPerSecond: number;
  readonly verifyMsPerProject: number;
  readonly followPerSecond: number;
  readonly rebuildPerSecond: number;
  readonly consumerIdBytes: number;
  readonly totalsKeyBytes: number;
  readonly totalsFieldBytes: number;
  readonly daysKeyBytes: number;
  readonly daysFieldBytes: number;
  /** A field of a hash that is too large for a packed list. */
  readonly looseFieldBytes: number;
  /** A project's entry in a month's set of projects. */
  readonly listedBytes: number;
  readonly planBytes: number;
  readonly invoiceBytes: number;
  readonly logBytes: number;
  readonly ledgerBytes: number;
  readonly followBytes: number;
}

const SHARDS = 12;
const PROJECTS = 1_000;
const IDS = 1_000_000;

/** An installation that counts a month, closes it, verifies it and is rebuilt. */
export async function measureInstallation(
  kafka: NativeService,
  { events, seed }: { events: number; seed: number },
  onResult: (result: SizeResult) => void,
): Promise<void> {
  const redis = await startRedis();
  const prefix = newPrefix('size');
  const env = environment(kafka, redis, prefix);
  const store = await openBenchStore(env);
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-bench-'));
  const state = join(folder, 'state');
  const cpuSeconds = async (...words: string[]): Promise<number> =>
    (await runProgram('src/cli/tallyman.js', words, env)).cpuSeconds;
  try {
    const month = lastMonth(Date.now());
    await initInstallation(env, SHARDS);
    const workload = JSON.stringify({ seed, month, events, projects: PROJECTS });
    await startChild('bench/fill.js', [workload], env).ended;
    const file = join(folder, 'projects.ndjson');
    const plans = [{ plan: 'ship', from: `${previousMonth(month)}-01` }];
    writeFileSync(
      file,
      projectNames(PROJECTS)
        .map((project) => JSON.stringify({ project, plans }))
        .join('\n'),
    );
    await cpuSeconds('projects', 'import', file);
    await cpuSeconds('consume', '--until-caught-up');
    const follow = await cpuSeconds('verify', '--follow', '--once', '--state', state);
    const verifyOpen = await cpuSeconds('verify');
    await cpuSeconds('close', '--grace', '0s');
    const verifyClosed = await cpuSeconds('verify');
    const logs = logBytes(kafka.dataDir, prefix);
    const hashes = await readHashes(store);
    const { projectMonths, ...views } = await viewBytes(store);
    onResult({
      ...{ section: 'size', what: 'installation', events, projects: PROJECTS },
      ...lines(hashes),
      ...views,
      consumerIdBytes: bytesInMemory(),
      logBytes: logs('usage.session', 'usage.transfer', 'usage.agent', 'usage.inference') / events,
      ledgerBytes: logs('billing.invoices', 'billing.totals') / projectMonths,
      followBytes: filesBytes(state, /./) / (events + sum(hashes.map(({ fields }) => fields))),
      followPerSecond: events / follow,
      verifyPerSecond: events / verifyOpen,
      verifyMsPerProject: ((verifyClosed - verifyOpen) * 1_000) / projectMonths,
      rebuildPerSecond: events / (await cpuSeconds('rebuild', '--empty')),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await store.close();
    await redis.stop();
  }
}

interface Hash {
  readonly kind: string;
  readonly fields: number;
  readonly bytes: number;
  readonly isPacked: boolean;
}

/** By the hashes of totals and days: what a key takes, and each of its fields. */
function lines(
  hashes: readonly Hash[],
): Pick<
  SizeResult,
  'totalsKeyBytes' | 'totalsFieldBytes' | 'daysKeyBytes' | 'daysFieldBytes' | 'looseFieldBytes'
> {
  const packed = (kind: string): Hash[] => hashes.filter((hash) => hash.kind === kind && hash.isPacked);
  const loose = hashes.filter(({ isPacked }) => !isPacked);
  const [totals, days] = [lineThrough(packed('totals')), lineThrough(packed('daily'))];
  return {
    ...{ totalsKeyBytes: totals.key, totalsFieldBytes: totals.field },
    ...{ daysKeyBytes: days.key, daysFieldBytes: days.field },
    looseFieldBytes: sum(loose.map(({ bytes }) => bytes)) / sum(loose.map(({ fields }) => fields)),
  };
}

async function readHashes(store: Store): Promise<Hash[]> {
  const redis = store.redis as Redis;
  const keys = await redis.keys('*}:*');
  const wanted = keys.flatMap((key) => {
    const [, kind] = /\}:(totals|daily):/.exec(key) ?? [];
    return kind === undefined ? [] : [{ key, kind }];
  });
  const reads = redis.pipeline();
  for (const { key } of wanted)
    reads.hlen(key).call('MEMORY', 'USAGE', key, 'SAMPLES', '0').object('ENCODING', key);
  const answers = ((await reads.exec()) ?? []).map(([, answer]) => answer);
  return wanted.map(({ kind }, at) => {
    const [fields, bytes, encoding] = answers.slice(at * 3, at * 3 + 3);
    return { kind, fields: Number(fields), bytes: Number(bytes), isPacked: encoding === 'listpack' };
  });
}

/** Least squares. */
function lineThrough(hashes: readonly Hash[]): { key: number; field: number } {
  const count = hashes.length;
  const fields = sum(hashes.map((hash) => hash.fields)) / count;
  const bytes = sum(hashes.map((hash) => hash.bytes)) / count;
  const field =
    sum(hashes.map((hash) => (hash.fields - fields) * (hash.bytes - bytes))) /
    sum(hashes.map((hash) => (hash.fields - fields) ** 2));
  return { key: bytes - field * fields, field };
}

async function viewBytes(
  store: Store,
): Promise<Pick<SizeResult, 'listedBytes' | 'planBytes' | 'invoiceBytes'> & { projectMonths: number }> {
  const redis = store.redis as Redis;
  const bytesOf = async (keys: readonly string[]): Promise<number> => {
    const sizes = await Promise.all(keys.map((key) => redis.memory('USAGE', key, 'SAMPLES', 0)));
    return sum(sizes.map(Number));
  };
  const sets = await redis.keys('*}:projects:*');
  const projectMonths = sum(await Promise.all(sets.map((key) => redis.scard(key))));
  return {
    projectMonths,
    listedBytes: (await bytesOf(sets)) / projectMonths,
    planBytes: (await bytesOf([store.keys.projects])) / PROJECTS,
    invoiceBytes: (await bytesOf(await redis.keys('*billing:invoice*'))) / projectMonths,
  };
}

/** What an id takes in the process that counts its partition, while the table grows. */
function bytesInMemory(): number {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  const ids = new FingerprintSet();
  const before = process.memoryUsage().arrayBuffers;
  for (let id = 1; id <= IDS; id += 1) ids.add(Math.imul(id, 0x9e3779b1) >>> 0, id);
  collect(); // The tables that it has outgrown survive the first time.
  collect();
  return (process.memoryUsage().arrayBuffers - before) / ids.size;
}

/** Bytes of the logs of topics in the broker's folder. Indexes are allocated beforehand. */
const logBytes =
  (dataDir: string, prefix: string) =>
  (...topics: string[]): number =>
    sum(
      readdirSync(dataDir)
        .filter((name) => topics.some((topic) => name.startsWith(`${prefix}.${topic}-`)))
        .map((name) => filesBytes(join(dataDir, name), /\.log$/)),
    );

const filesBytes = (folder: string, name: RegExp): number =>
  sum(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => name.test(file))
      .map((file) => statSync(join(folder, file)))
      .map((file) => (file.isFile() ? file.size : 0)),
  );

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
