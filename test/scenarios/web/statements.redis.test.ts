import { readStatements, type Statement } from '../../../src/web/pages/statements';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

let harness: WebHarness;

beforeAll(async () => {
  harness = await webHarness();
  const { store } = harness.web;
  await harness.issue('acme', '2026-05', 'acme-0001');
  await store.redis.hset(
    store.keys.closes,
    '2026-06',
    JSON.stringify({ month: '2026-06', closedAt: '2026-07-01T01:00:00.000Z', cursors: {} }),
  );
  await harness.set({ project: 'old', plans: [{ plan: 'ship', from: '2025-01-15' }] });
});
afterAll(() => harness.close());

const shown = (statements: readonly Statement[]): string[] =>
  statements.map(({ month, status, total }) => `${month} ${status} ${total}`);

test('issued, being issued and open months, the newest first, since the project has a plan', async () => {
  const { statements, next } = await readStatements(harness.web, 'acme');
  expect(shown(statements)).toEqual([
    '2026-07 open 50.00',
    '2026-06 closing 50.00', // Closed, its invoice is not yet there.
    '2026-05 issued 50.00',
    ...['2026-04', '2026-03', '2026-02', '2026-01'].map((month) => `${month} closing 50.00`),
  ]);
  expect(next).toBeUndefined();
});

test('a credit note is a statement of its own, also where it is all there is of a month', async () => {
  await harness.set({ project: 'back', plans: [{ plan: 'ship', from: '2026-05-01' }] });
  await harness.credit('back', '2026-05', 'back-CN0001');
  await harness.issue('back', '2026-05', 'back-0001');
  await harness.credit('back', '2026-04', 'back-CN0002');
  const { statements } = await readStatements(harness.web, 'back');
  expect(shown(statements)).toEqual([
    '2026-07 open 50.00',
    '2026-06 closing 50.00',
    '2026-05 credit_note -3.50',
    '2026-05 issued 50.00',
    '2026-04 credit_note -3.50',
  ]);
});

test('a closed month of a free plan has nothing due', async () => {
  const { statements } = await readStatements(harness.web, 'small');
  expect(shown(statements)[1]).toBe('2026-06 nothing_due 0.00');
});

test('a project without a plan has the current month, and those with usage', async () => {
  expect(shown((await readStatements(harness.web, 'nobody')).statements)).toEqual(['2026-07 open 0.00']);
  await harness.count({ project: 'unplanned', month: '2026-06', day: '2026-06-10' });
  const { statements } = await readStatements(harness.web, 'unplanned');
  expect(statements.map(({ month }) => month)).toEqual(['2026-07', '2026-06']);
});

test('pages of older months join without a gap or a repeat', async () => {
  const months: string[] = [];
  let before: string | undefined;
  let pages = 0;
  do {
    const { statements, next } = await readStatements(harness.web, 'old', before);
    months.push(...statements.map(({ month }) => month));
    before = next;
    pages += 1;
  } while (before !== undefined);
  const expected: string[] = [];
  for (let month = '2026-07'; month >= '2025-01'; month = harness.web.calendar.previousMonth(month))
    expected.push(month);
  expect(months).toEqual(expected);
  expect(pages).toBe(2);
});

test('a page whose plan the catalog does not have is shown with a notice, others as ever', async () => {
  await harness.set({ project: 'gone', plans: [{ plan: 'gone', from: '2026-01-01' }] });
  const headers = { ...harness.bearer({ gone: 'admin', acme: 'admin' }), accept: 'text/html' };
  const page = (project: string): ReturnType<WebHarness['inject']> =>
    harness.inject({ url: `/projects/${project}/billing`, headers });
  const [gone, acme] = [await page('gone'), await page('acme')];
  expect([gone.statusCode, acme.statusCode]).toEqual([200, 200]);
  expect(gone.body).toContain('does not have this plan');
  expect(gone.body).toContain('cannot be priced yet');
  expect(acme.body).not.toContain('cannot be priced yet');
});
