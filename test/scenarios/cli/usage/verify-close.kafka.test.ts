import { Redis } from 'ioredis';
import { createWorkload } from '../../../../src/oracle/workload';
import type { VerifyReport } from '../../../../src/audit/verify';
import { publishNext } from '../../../kit/kafka/publish-next';
import { testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const redis = new Redis(testRedisUrl());
afterAll(() => redis.quit());

const now = new Date();
const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().slice(0, 7);
const PROJECTS = ['large', 'middle', 'small', 'tiny'];
const SHARDS = [0, 1];

let tallyman: Installation;
const key = (shard: number, name: string): string => `${tallyman.prefix}:usage:{${shard}}:${name}`;

async function shardOf(project: string): Promise<number> {
  const held = SHARDS.map((shard) => redis.exists(key(shard, `totals:${month}:${project}`)));
  return (await Promise.all(held)).indexOf(1);
}

beforeAll(async () => {
  tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  // `tiny` has usage and no plan: only the month's set names it to a close.
  for (const project of PROJECTS.slice(0, 3))
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${month}-01`);
  await publishNext(
    tallyman,
    createWorkload({ seed: 21, month, events: 3_000, projects: PROJECTS, duplicates: 0.05, monthBefore: 0 }),
    3_000,
  );
  await tallyman.ok('consume', '--until-caught-up');
}, 60_000);

interface Closes {
  readonly closes: readonly {
    readonly issued: number;
    readonly alreadyIssued: number;
    readonly held: readonly { readonly project: string; readonly code: string; readonly detail: string }[];
  }[];
}

async function close(): Promise<{ code: number | null } & Closes['closes'][number]> {
  const { code, stdout, stderr } = await tallyman.run([
    'close',
    month,
    '--grace',
    '0s',
    '--verify',
    '--json',
  ]);
  if (stdout === '') throw new Error(`close ended with ${code}: ${stderr}`);
  return { code, ...(JSON.parse(stdout) as Closes).closes[0]! };
}

test('close --verify holds what a recount of the log does not come to, and issues the others; once repaired, it issues the rest', async () => {
  const [large, tiny] = [await shardOf('large'), await shardOf('tiny')];
  const [day] = Object.keys(await redis.hgetall(key(large, `daily:${month}:large`)));
  const meter = day!.slice(11);
  // Totals and days alike, so that Redis does not contradict itself.
  await redis.hincrby(key(large, `totals:${month}:large`), meter, 60);
  await redis.hincrby(key(large, `daily:${month}:large`), day!, 60);
  await redis.srem(key(tiny, `projects:${month}`), 'tiny');

  const first = await close();
  expect(first.held).toMatchObject([
    { project: 'large', code: 'RECOUNT_DIFFERS' },
    { project: 'tiny', code: 'PROJECT_UNLISTED' },
  ]);
  expect(first).toMatchObject({ code: 1, issued: 2 });
  expect(await redis.hexists(`${tallyman.prefix}:billing:invoices:large`, month)).toBe(0);

  // While a close is unfinished, what is not issued yet is not a finding of verify's; what differs
  // is.
  const report = JSON.parse((await tallyman.run(['verify', month, '--json'])).stdout) as VerifyReport;
  expect(new Set(report.differences.map(({ kind }) => kind))).toEqual(
    new Set(['total', 'daily', 'not_listed']),
  );

  await redis.hincrby(key(large, `totals:${month}:large`), meter, -60);
  await redis.hincrby(key(large, `daily:${month}:large`), day!, -60);
  await redis.sadd(key(tiny, `projects:${month}`), 'tiny');
  expect(await close()).toMatchObject({ code: 0, held: [], alreadyIssued: 2 });
  const after = JSON.parse((await tallyman.run(['verify', month, '--json'])).stdout) as VerifyReport;
  expect(after.differences).toEqual([]);
}, 60_000);
