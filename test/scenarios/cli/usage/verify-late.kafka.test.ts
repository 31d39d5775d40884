import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { VerifyReport } from '../../../../src/audit/verify';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher } from '../../../../src/kafka/producer';
import { testBrokers, testRedisUrl } from '../../../kit/services';
import { installation } from '../../../kit/tallyman';

const redis = new Redis(testRedisUrl());
const directory = mkdtempSync(join(tmpdir(), 'tallyman-late-'));
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  await redis.quit();
});

function file(name: string, ...documents: readonly unknown[]): string {
  const path = join(directory, name);
  writeFileSync(path, documents.map((document) => `${JSON.stringify(document)}\n`).join(''));
  return path;
}

const data = { service: 'sip', variant: 'us_toll_free', durationMs: 60_000 };
const session = { specversion: '1.0', source: '/s', type: 'usage.session.v1', subject: 'n', data };
const rates = (price: string) => ({
  fee: '10',
  rates: [{ meter: 'session.sip.us_toll_free', per: '1', price }],
});
const A = { ...session, id: 'A', time: '2026-07-20T00:00:00Z' };

test('late usage that adds up to nothing, and costs less than it takes back: verify misses its credit note', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '1');
  const plans = [
    { plan: 'ship', from: '2026-01-01', overrides: rates('1') },
    { plan: 'ship', from: '2026-07-16', overrides: rates('200') },
  ];
  await tallyman.ok('projects', 'import', file('projects', { project: 'n', plans }));
  await tallyman.ok('publish', file('july', A));
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', '2026-07');
  const { source, id, type, time } = A;
  const B = { ...session, id: 'B', time: '2026-07-05T00:00:00Z' };
  const voidOfA = { ...session, id: 'VA', type: 'usage.void.v1', time: '2026-08-05T00:00:00Z' };
  await tallyman.ok('publish', file('late', B, { ...voidOfA, data: { source, id, type, time, data } }));
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', '2026-08');
  const verify = async (): Promise<VerifyReport> =>
    JSON.parse((await tallyman.run(['verify', '2026-08', '--json'])).stdout) as VerifyReport;
  expect((await verify()).differences).toEqual([]);

  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  await publisher.publish(`${tallyman.prefix}.billing.invoices`, [{ key: 'n-2026-08-CN', value: null }]);
  await publisher.close();
  await client.close();
  expect(await redis.hdel(`${tallyman.prefix}:billing:invoices:n`, '2026-08-CN')).toBe(1);
  expect((await verify()).differences).toContainEqual({
    ...{ kind: 'invoice', month: '2026-08', project: 'n', field: 'credit note, total' },
    ...{ expected: '-199.00 issued', found: null },
  });
}, 60_000);
