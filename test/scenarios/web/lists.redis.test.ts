import type { InvoicesPage, Problem, ProjectsPage } from '../../../schemas/types';
import { readInvoicesOfMonth } from '../../../src/redis/views/invoices';
import { writeProject } from '../../../src/redis/views/projects';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import { invoiceCsv } from '../../../src/billing/invoice/invoice-csv';
import { answerCheck, type AnswerCheck } from '../../kit/web/api-document';
import type { HttpAnswer } from '../../kit/web/http-client';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

/** The lists of the whole installation: every project and every invoice, page by page. */

let harness: WebHarness;
let api: AnswerCheck;

beforeAll(async () => {
  harness = await webHarness();
  api = await answerCheck(harness);
  const { store } = harness;
  for (const [project, plan, name] of [
    ['b-ship', 'ship', 'Bravo "Quoted" GmbH'],
    ['c-scale', 'scale', 'Über Systems'],
    ['d-ship', 'ship', undefined],
  ] as const) {
    await writeProject(store, {
      ...{ project, plans: [{ plan, from: '2026-01-01' }] },
      profile: { ...(name !== undefined && { name }), budget: '100.00' },
    });
  }
  // A project that was never set, and two in other letters than ASCII order would put them.
  await harness.count({ project: 'never-set' }, { project: 'Zulu' }, { project: '_low' });
  for (const month of ['2026-05', '2026-06']) {
    for (const project of ['acme', 'b-ship', 'c-scale']) await harness.issue(project, month, `${project}-1`);
  }
  await harness.credit('b-ship', '2026-06', 'b-ship-CN0001');
});
afterAll(() => harness.close());

const ops = (): Record<string, string> => harness.bearer({}, { role: 'ops' });

async function get(path: string, query: Record<string, string> = {}, headers = ops()): Promise<HttpAnswer> {
  const answer = await harness.inject({ url: path, query, headers });
  api.check(path, answer);
  return answer;
}

/** Every page of a list, one after the other. */
async function pages<P extends { nextCursor: string | null }>(
  path: string,
  query: Record<string, string>,
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<P[]> {
  const found: P[] = [];
  for (let cursor: string | null = ''; cursor !== null; cursor = found.at(-1)!.nextCursor) {
    found.push((await get(path, { ...query, ...(cursor && { cursor }) })).json<P>());
    await between();
    expect(found.length).toBeLessThan(100);
  }
  return found;
}

const projectsOf = async (query: Record<string, string> = {}): Promise<string[]> =>
  (await pages<ProjectsPage>('/v1/projects', query)).flatMap(({ projects }) =>
    projects.map(({ project }) => project),
  );

const ALL = ['Zulu', '_low', 'acme', 'b-ship', 'c-scale', 'd-ship', 'never-set', 'small'];

describe('projects', () => {
  test('are those that were set and those with usage, in one order whatever the size of a page', async () => {
    for (const limit of ['1', '2', '3', '7', '8', '500']) expect(await projectsOf({ limit })).toEqual(ALL);
  });

  test('are filtered by plan, usage, id and name', async () => {
    expect(await projectsOf({ plan: 'ship' })).toEqual(['acme', 'b-ship', 'd-ship']);
    expect(await projectsOf({ plan: 'ship', limit: '1' })).toEqual(['acme', 'b-ship', 'd-ship']);
    expect(await projectsOf({ plan: 'build' })).toEqual(['Zulu', '_low', 'never-set', 'small']);
    expect(await projectsOf({ status: 'active' })).toEqual(['Zulu', '_low', 'never-set']);
    expect(await projectsOf({ status: 'idle', plan: 'scale' })).toEqual(['c-scale']);
    expect(await projectsOf({ search: 'SHIP' })).toEqual(['b-ship', 'd-ship']);
    expect(await projectsOf({ search: 'über' })).toEqual(['c-scale']);
    expect(await projectsOf({ search: '"quoted"' })).toEqual(['b-ship']);
    // It is in every document, as the name of a field.
    expect(await projectsOf({ search: 'profile' })).toEqual([]);
    expect(await projectsOf({ month: '2026-06', status: 'active' })).toEqual([]);
  });

  test('say their plan, their name and their budget', async () => {
    const { projects } = (await get('/v1/projects', { search: 'b-ship' })).json<ProjectsPage>();
    expect(projects).toEqual([
      {
        ...{ project: 'b-ship', name: 'Bravo "Quoted" GmbH', month: '2026-07', plan: 'ship' },
        ...{ status: 'idle', budget: '100.00' },
      },
    ]);
  });

  test('a project that is added or removed between two pages moves no other', async () => {
    const found: string[] = [];
    const added = ['a0', 'b0', 'bb', 'zz'];
    for (const page of await pages<ProjectsPage>('/v1/projects', { limit: '2' }, async () => {
      const project = added.shift();
      if (project !== undefined) await writeProject(harness.store, { project, plans: [] });
      await harness.store.redis.hdel(harness.store.keys.projects, 'a0');
    })) {
      found.push(...page.projects.map(({ project }) => project));
    }
    expect(found).toEqual([...new Set(found)]);
    expect(found.filter((project) => ALL.includes(project))).toEqual(ALL);
    expect(found).toContain('zz');
    await harness.store.redis.hdel(harness.store.keys.projects, 'b0', 'bb', 'zz');
  });

  test('a damaged document is listed without a plan, and hides no other', async () => {
    await harness.store.redis.hset(harness.store.keys.projects, 'broken', '{');
    const { projects } = (await get('/v1/projects', { search: 'broken' })).json<ProjectsPage>();
    expect(projects).toMatchObject([{ project: 'broken', plan: null, name: null }]);
    expect(await projectsOf()).toHaveLength(ALL.length + 1);
    await harness.store.redis.hdel(harness.store.keys.projects, 'broken');
  });
});

describe('invoices', () => {
  const idsOf = async (query: Record<string, string> = {}): Promise<string[]> =>
    (await pages<InvoicesPage>('/v1/invoices', query)).flatMap(({ invoices }) =>
      invoices.map(({ id }) => id),
    );

  const ISSUED = [
    ...['acme-2026-06', 'b-ship-2026-06', 'b-ship-2026-06-CN', 'c-scale-2026-06'],
    ...['acme-2026-05', 'b-ship-2026-05', 'c-scale-2026-05'],
  ];

  test('come by month and project, an invoice before its credit note, on pages of every size', async () => {
    for (const limit of ['1', '2', '3', '4', '500']) expect(await idsOf({ limit })).toEqual(ISSUED);
  });

  test('are filtered by month, plan and status', async () => {
    expect(await idsOf({ month: '2026-05' })).toEqual(ISSUED.slice(4));
    expect(await idsOf({ plan: 'scale', limit: '1' })).toEqual(['c-scale-2026-06', 'c-scale-2026-05']);
    expect(await idsOf({ month: '2026-05', plan: 'custom' })).toEqual([]);
    // In a closed month, that is the project without an invoice. In an open one, all with a fee.
    expect(await idsOf({ month: '2026-06', status: 'open' })).toEqual(['d-ship-2026-06']);
    expect(await idsOf({ month: '2026-07', status: 'open', limit: '2' })).toEqual(
      ['acme', 'b-ship', 'c-scale', 'd-ship'].map((project) => `${project}-2026-07`),
    );
    expect(await idsOf({ month: '2026-06', status: 'nothing_due' })).toEqual(['small-2026-06']);
  });

  test('a draft says what it lacks', async () => {
    await harness.count({
      ...{ project: 'd-ship', month: '2026-05', day: '2026-05-31' },
      usages: [{ meter: 'inference.stt', model: 'unheard/of', quantity: '1' }],
    });
    const drafts = (await get('/v1/invoices', { month: '2026-05', status: 'draft' })).json<InvoicesPage>();
    expect(drafts.invoices).toMatchObject([
      { id: 'd-ship-2026-05', number: null, issuedAt: null, problem: { code: 'NO_PRICE' } },
    ]);
    expect(drafts.invoices[0]!.problem!.detail).toContain('inference.stt/unheard/of');
    await harness.store.redis.hset(harness.store.keys.totals(1, '2026-05', 'd-ship'), 'agent.session', 'x');
    expect(await idsOf({ month: '2026-05', status: 'held' })).toEqual(['d-ship-2026-05']);
  });

  test('a status other than issued needs a month', async () => {
    const { detail } = (await get('/v1/invoices', { status: 'draft' })).json<Problem>();
    expect(detail).toBe('`status=draft` needs `month`.');
  });

  test('all lines of a month come as one CSV, as the command line writes them', async () => {
    const { store } = harness;
    const lines = (await get('/v1/invoices.csv', { month: '2026-06' })).body.split('\r\n');
    const own: string[] = [];
    for (const project of ['acme', 'b-ship', 'c-scale']) {
      for (const json of await readInvoicesOfMonth(store, project, '2026-06'))
        own.push(
          ...invoiceCsv(JSON.parse(json) as Invoice)
            .split('\r\n')
            .slice(1, -1),
        );
    }
    expect(lines.slice(1, -1)).toEqual(own);
    const scale = (await get('/v1/invoices.csv', { month: '2026-06', plan: 'scale' })).body.split('\r\n');
    expect(scale.slice(1, -1)).toEqual(own.filter((line) => line.startsWith('c-scale')));
    expect((await get('/v1/invoices.csv')).statusCode).toBe(400);
  });
});

test('a cursor is checked: another text, list or filter is refused', async () => {
  const first = await get('/v1/projects', { limit: '1' });
  const cursor = first.json<ProjectsPage>().nextCursor!;
  expect(first.headers['link']).toBe(`</v1/projects?limit=1&cursor=${cursor}>; rel="next"`);
  const problemOf = async (path: string, query: Record<string, string>): Promise<string | undefined> => {
    const answer = await get(path, query);
    expect(answer.statusCode).toBe(400);
    return answer.json<Problem>().detail;
  };
  expect(await problemOf('/v1/projects', { cursor, plan: 'ship' })).toContain('other filters');
  expect(await problemOf('/v1/projects', { cursor, month: '2026-06' })).toContain('other filters');
  expect(await problemOf('/v1/invoices', { cursor })).toContain('not valid');
  for (const text of ['x', 'W10', 'bnVsbA', 'WzFd', `${cursor}A`.slice(1)]) {
    expect(await problemOf('/v1/projects', { cursor: text })).toContain('not valid');
  }
  // The limit does not count as a filter.
  expect((await get('/v1/projects', { cursor, limit: '500' })).json<ProjectsPage>().projects).toHaveLength(
    ALL.length - 1,
  );
});

test('only who runs the installation has them', async () => {
  for (const path of ['/v1/projects', '/v1/invoices', '/v1/invoices.csv']) {
    const query = path.endsWith('csv') ? { month: '2026-06' } : {};
    expect((await get(path, query, harness.bearer({ acme: 'admin' }))).statusCode).toBe(404);
    expect((await get(path, query, {})).statusCode).toBe(401);
  }
});
