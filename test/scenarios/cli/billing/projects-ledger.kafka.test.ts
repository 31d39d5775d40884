import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Invoice } from '../../../../src/billing/invoice/invoice';
import { beginRebuild } from '../../../../src/redis/rebuilding';
import { openStore, type Store } from '../../../../src/redis/store';
import { testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const CREDIT = join(__dirname, '../../../kit/fixtures/credit-for-closed-month.projects.ndjson');

let tallyman: Installation;
let store: Store;
beforeEach(async () => {
  tallyman = installation();
  store = await openStore({ url: testRedisUrl(), prefix: tallyman.prefix });
  await tallyman.ok('init', '--partitions', '1');
});
afterEach(() => store.close());

const set = (project: string, plan: string, ...more: string[]): Promise<string> =>
  tallyman.ok('projects', 'set', project, '--plan', plan, ...more);
const close = (month: string, now: string): Promise<string> => tallyman.ok('close', month, '--now', now);
const totals = async (): Promise<Record<string, string>> => {
  const { invoices } = await tallyman.json<{ invoices: Invoice[] }>('invoices', 'list');
  return Object.fromEntries(invoices.map(({ id, total }) => [id, total]));
};

test('a plan that Redis loses after it was set is billed by the close', async () => {
  await set('acme', 'ship', '--from', '2026-09-01');
  const lost = {
    acme: await store.redis.hgetall(store.keys.projects),
    position: (await store.redis.get(store.keys.projectsShown))!,
  };
  await set('bolt', 'ship', '--from', '2026-10-01');
  // Redis restarts without its last second.
  await store.redis.unlink(store.keys.projects);
  await store.redis.hset(store.keys.projects, lost.acme);
  await store.redis.set(store.keys.projectsShown, lost.position);
  expect(await tallyman.ok('close', '2026-10', '--now', '2026-11-02T00:00:00Z', '--dry-run')).toContain(
    '100.00 USD due',
  );
  await store.redis.hdel(store.keys.projects, 'bolt');
  await store.redis.set(store.keys.projectsShown, lost.position);
  await close('2026-10', '2026-11-02T00:00:00Z');
  expect(await totals()).toEqual({ 'acme-2026-10': '50.00', 'bolt-2026-10': '50.00' });

  // A view that is older than its ledger is caught up by verify; one that lost a field is a
  // difference.
  await store.redis.hdel(store.keys.projects, 'bolt');
  expect((await tallyman.run(['verify'])).code).toBe(1);
  await store.redis.set(store.keys.projectsShown, lost.position);
  expect((await tallyman.run(['verify'])).code).toBe(0);
  // An invoice that Redis lost is shown from the ledger.
  await store.redis.del(store.keys.invoices('bolt'), store.keys.invoicesShown);
  expect(await tallyman.json('invoices', 'show', 'bolt-2026-10')).toMatchObject({ total: '50.00' });
}, 120_000);

test('three that set one project at once: no change is lost', async () => {
  await Promise.all([
    set('acme', 'ship', '--from', '2026-09-01', '--name', 'Acme'),
    set('acme', 'scale', '--from', '2026-10-01', '--email', 'a@example.com'),
    set('acme', 'build', '--from', '2026-11-01', '--tax-id', 'X1'),
  ]);
  expect(await tallyman.json('projects', 'show', 'acme')).toMatchObject({
    plans: [{ plan: 'ship' }, { plan: 'scale' }, { plan: 'build' }],
    profile: { name: 'Acme', email: 'a@example.com', taxId: 'X1' },
  });
}, 120_000);

test('nothing is dated into a closed month: each way of writing names the first day that is open', async () => {
  await set('acme', 'ship', '--from', '2026-09-01');
  await close('2026-10', '2026-11-02T00:00:00Z');
  const before = await tallyman.ok('projects', 'show', 'acme', '--json');

  const refused = async (...words: string[]): Promise<string> => {
    const { code, stderr } = await tallyman.run(['projects', ...words]);
    expect({ words, code }).toEqual({ words, code: 3 });
    expect(stderr).toContain('[CLOSED_MONTH_EDIT]');
    return stderr;
  };
  const credit = await refused('import', CREDIT);
  expect(credit).toContain(
    `${CREDIT}:1: credits: 20.00 in 2026-10 is added, but 2026-10 is closed: the first month that can still take a ` +
      'credit is 2026-11',
  );
  const openDay = 'the first day that can still be changed is 2026-11-01';
  expect(await refused('set', 'acme', '--plan', 'scale', '--from', '2026-10-31')).toContain(openDay);
  expect(await refused('set', 'new', '--plan', 'scale', '--from', '2026-10-31')).toContain(openDay);
  const csv = join(process.env['TMPDIR'] ?? '/tmp', `${tallyman.prefix}.csv`);
  writeFileSync(csv, 'project,plan,from,taxRate\nacme,ship,2026-09-01,0.21\nnew,ship,2026-11-01,\n');
  expect(await refused('import', csv)).toContain(`${csv}:2: profile.taxes: a row from 2026-09-01 is added`);
  expect(await tallyman.ok('projects', 'show', 'acme', '--json')).toBe(before);

  // The same again, and what begins in the open month, is taken.
  await set('acme', 'ship', '--from', '2026-09-01', '--name', 'Acme, Inc.');
  await set('acme', 'scale', '--from', '2026-11-01');
  expect(await tallyman.run(['verify', '2026-10'])).toMatchObject({ code: 0 });
}, 120_000);

test('of a Redis that is rebuilt in part, or emptied, nothing is shown', async () => {
  await beginRebuild(store, 1);
  const readers = [
    ['totals', 'acme'],
    ['totals', '--all'],
    ['invoices', 'preview', 'acme'],
    ['projects', 'compare', 'acme'],
    ['keys', 'acme'],
    ['explain', 'acme-2026-10'],
    ['top', '--once'],
    ['alerts', 'watch', '--once'],
  ];
  for (const words of readers) {
    const { code, stderr, stdout } = await tallyman.run(words);
    expect({ words, code, said: `${stderr}${stdout}`.includes('rebuil') }).toEqual({
      words,
      code: 1,
      said: true,
    });
  }
  const keys = await store.redis.keys(`${tallyman.prefix}:*`);
  await store.redis.unlink(keys);
  for (const words of readers) {
    const { code, stderr, stdout } = await tallyman.run(words);
    expect({ words, code, said: `${stderr}${stdout}`.includes('tallyman') }).toEqual({
      words,
      code: 1,
      said: true,
    });
  }
}, 120_000);
