import { execFileSync } from 'node:child_process';
import type { HttpAnswer } from '../../kit/web/http-client';
import type { InvoiceList, Problem, QuotaAnswer, UsageAnswer } from '../../../schemas/types';
import { askInstallationHealth } from '../../../src/ops/installation-health';
import type { Store } from '../../../src/redis/store';
import { eventually } from '../../kit/services';
import { answerCheck, type AnswerCheck } from '../../kit/web/api-document';
import { NOW, webHarness, type WebHarness } from '../../kit/web/web-harness';

let harness: WebHarness;
let api: AnswerCheck;

beforeAll(async () => {
  harness = await webHarness();
  api = await answerCheck(harness);
});
afterAll(() => harness.close());

const root = '/v1/projects/{project}';

/** Asks, and holds the answer against the OpenAPI document. */
async function get(
  path: string,
  parameters: { project?: string; id?: string; query?: Record<string, string> } = {},
  headers: Record<string, string> = harness.bearer({ acme: 'admin', small: 'member' }),
): Promise<HttpAnswer> {
  const url = `${root}${path}`
    .replace('{project}', parameters.project ?? 'acme')
    .replace('{id}', parameters.id ?? '');
  const answer = await harness.inject({ url, headers, query: parameters.query ?? {} });
  api.check(`${root}${path}`, answer);
  return answer;
}

test('the document shows how events are posted, in four languages', () => {
  const { post } = api.document.paths['/v1/events'] as unknown as {
    post: { 'x-codeSamples': { lang: string; source: string }[] };
  };
  expect(post['x-codeSamples'].map(({ lang }) => lang)).toEqual(['Shell', 'JavaScript', 'Python', 'Go']);
  for (const { source } of post['x-codeSamples']) expect(source).toContain('/v1/events');
  const content = (post as unknown as { requestBody: { content: Record<string, { schema: object }> } })
    .requestBody.content;
  const event = { $ref: '#/components/schemas/UsageEvent' };
  expect(content['application/cloudevents+json']!.schema).toEqual(event);
  expect(content['application/cloudevents-batch+json']!.schema).toMatchObject({
    maxItems: 1_000,
    items: event,
  });
  expect(api.document.components?.schemas).toHaveProperty('UsageEvent');
});

test('the document is a good OpenAPI 3.1 document and describes every route of the API', () => {
  expect(openApiProblems(api.document)).toEqual({ valid: true });
  expect(api.document.openapi).toBe('3.1.0');
  expect(Object.keys(api.document.paths).sort()).toEqual(
    [
      '/v1/events',
      '/v1/invoices',
      '/v1/invoices.csv',
      '/v1/projects',
      `${root}/alerts`,
      `${root}/budget`,
      `${root}/invoices/{id}/explanation`,
      `${root}/invoices`,
      `${root}/invoices/{id}`,
      `${root}/invoices/{id}.csv`,
      `${root}/invoices/{id}.pdf`,
      `${root}/quota`,
      `${root}/usage`,
      `${root}/usage.csv`,
      `${root}/usage/stream`,
    ].sort(),
  );
  for (const [path, { get: operation }] of Object.entries(api.document.paths)) {
    if (path === '/v1/events') continue; // Is posted to, by producers: see gateway.kafka.test.ts.
    expect(Object.keys(operation!.responses)).toEqual(expect.arrayContaining(['200', '401', '404', '429']));
    if (path.startsWith(`${root}/invoices`)) expect(Object.keys(operation!.responses)).toContain('403');
  }
});

test('usage holds totals, days, what is included, lines and the cost so far', async () => {
  await harness.count(
    { usages: [{ meter: 'agent.session', quantity: String(6_000 * 60) }] },
    { day: '2026-07-14', usages: [{ meter: 'inference.stt', model: '__proto__', quantity: '1' }] },
    { day: '2026-06-30', month: '2026-06', usages: [{ meter: 'agent.session', quantity: '60' }] },
  );
  const usage = (await get('/usage')).json<UsageAnswer>();
  expect(usage).toMatchObject({
    project: 'acme',
    month: '2026-07',
    status: 'open',
    plan: { id: 'ship', name: 'Ship', fee: '50', beyond: 'overage' },
    totals: { 'agent.session': '360000', 'inference.stt/__proto__': '1' },
    daily: {
      '2026-07-15': { 'agent.session': '360000' },
      '2026-07-14': { 'inference.stt/__proto__': '1' },
    },
    costSoFar: '60.00', // 1,000 minutes beyond the 5,000
    unpriced: ['inference.stt/__proto__'],
    freshness: { behind: null, asOf: null },
  });
  expect(usage.included.find(({ name }) => name === 'Agent session minutes')).toEqual({
    name: 'Agent session minutes',
    meters: ['agent.session'],
    unit: 'minute',
    used: '6000',
    included: '5000',
    remaining: '0',
    over: '1000',
    beyond: 'overage',
  });
  // Half of the month is over: as much again, of which nothing is included any more.
  expect(Number(usage.forecast)).toBeGreaterThan(Number(usage.costSoFar) + 50);
  const june = (await get('/usage', { query: { month: '2026-06' } })).json<UsageAnswer>();
  expect(june).toMatchObject({ month: '2026-06', forecast: null, totals: { 'agent.session': '60' } });
});

test.each([['2026-13'], ['2026-7'], ['2026-08'], ['']])('month %j is refused', async (month) => {
  expect((await get('/usage', { query: { month } })).json()).toMatchObject({
    status: 400,
    code: 'BAD_REQUEST',
  });
});

test('a query parameter that a route does not know is refused by its name, on every route', async () => {
  const headers = harness.bearer({ acme: 'admin' }, { role: 'ops' });
  const paths = Object.keys(api.document.paths).map((path) =>
    path.replace('{project}', 'acme').replace('{id}', 'acme-2026-01'),
  );
  const pages = ['/', '/ops', '/projects/acme/billing', '/projects/acme/billing/2026-01', '/openapi.json'];
  for (const url of [...paths, ...pages]) {
    const method = url === '/v1/events' ? 'POST' : 'GET';
    const answer = await harness.inject({ method, url, headers, query: { mnth: '2026-06' } });
    expect([url, answer.statusCode]).toEqual([url, 400]);
    expect(answer.json<Problem>().detail).toContain('does not take the query parameter `mnth`');
  }
  const { detail } = (await get('/invoices', { query: { after: 'x' } })).json<Problem>();
  expect(detail).toMatch(/`after`. It takes `limit`, `cursor`\.$/);
  expect((await get('/quota', { query: { __proto__x: '1' } })).json<Problem>().detail).toMatch(
    /It takes none/,
  );
});

test('a month before the price list is not found', async () => {
  expect((await get('/usage', { query: { month: '2019-01' } })).json()).toMatchObject({ code: 'NOT_FOUND' });
});

test('a plan that blocks admits until nothing remains; one that charges always does', async () => {
  const headers = harness.bearer({ small: 'member', charged: 'member' });
  const admits = async (project: string): Promise<Record<string, [string, boolean]>> =>
    Object.fromEntries(
      (await get('/quota', { project }, headers))
        .json<QuotaAnswer>()
        .quotas.map(({ name, remaining, admit }) => [name, [remaining, admit]]),
    );
  await harness.count({ project: 'small', usages: [{ meter: 'agent.session', quantity: String(999 * 60) }] });
  expect(await admits('small')).toMatchObject({
    'Agent session minutes': ['1', true],
    'Inference credits': ['2.50', true],
    'Downstream data transfer': ['50', true],
    'Upstream data transfer': ['0', true], // free of charge
    'SIP, US toll-free number': ['0', false], // not in the plan
  });
  await harness.count(
    { project: 'small', usages: [{ meter: 'agent.session', quantity: '60' }] },
    {
      project: 'small',
      usages: [{ meter: 'inference.llm.output', model: 'openai/gpt-4.1-mini', quantity: '9000000' }],
    },
  );
  expect(await admits('small')).toMatchObject({
    'Agent session minutes': ['0', false],
    'Inference credits': ['0.00', false],
  });
  await harness.set({ project: 'charged', plans: [{ plan: 'ship', from: '2026-01-01' }] });
  const usages = [{ meter: 'agent.session', quantity: String(6_000 * 60) }] as const;
  await harness.count({ project: 'charged', usages });
  expect((await admits('charged'))['Agent session minutes']).toEqual(['0', true]);
});

describe('a project that was never set', () => {
  const unset = (project: string): Record<string, string> => harness.bearer({ [project]: 'admin' });
  const statuses = (project: string, query = {}): Promise<number[]> =>
    Promise.all(
      ['/usage', '/quota', '/usage/stream', '/invoices'].map(
        async (path) => (await get(path, { project, query }, unset(project))).statusCode,
      ),
    );

  test('is not found without usage, although a token names it', async () => {
    for (const headers of [unset('typo'), harness.bearer({}, { role: 'ops' })]) {
      const quota = await get('/quota', { project: 'typo' }, headers);
      expect(quota.json()).toEqual({
        ...{ status: 404, code: 'NOT_FOUND', title: 'Not found', type: expect.any(String) },
        detail: 'This project does not exist: it has no plan and no usage.',
      });
    }
    expect(await statuses('typo')).toEqual([404, 404, 404, 404]);
    for (const page of ['billing', 'usage', 'billing/2026-06']) {
      const answer = await harness.inject({ url: `/projects/typo/${page}`, headers: unset('typo') });
      expect(answer.statusCode).toBe(404);
    }
  });

  test('is found with usage in the month, in the month before, or with an invoice', async () => {
    const usages = [{ meter: 'agent.session', quantity: '60' }] as const;
    await harness.count({ project: 'fresh', usages });
    await harness.count({ project: 'june', month: '2026-06', day: '2026-06-30', usages });
    await harness.count({ project: 'may', month: '2026-05', day: '2026-05-31', usages });
    expect(await get('/quota', { project: 'fresh' }, unset('fresh'))).toMatchObject({ statusCode: 200 });
    expect(await get('/quota', { project: 'june' }, unset('june'))).toMatchObject({ statusCode: 200 });
    expect(await get('/quota', { project: 'may' }, unset('may'))).toMatchObject({ statusCode: 404 });
    const inMay = await get('/usage', { project: 'may', query: { month: '2026-05' } }, unset('may'));
    expect(inMay.json()).toMatchObject({ totals: { 'agent.session': '60' } });
    await harness.issue('invoiced', '2026-01', 'invoiced-0001');
    expect(await get('/invoices', { project: 'invoiced' }, unset('invoiced'))).toMatchObject({
      statusCode: 200,
    });
  });

  test('may be one that Redis has lost: 503 until the ledger is shown again', async () => {
    const own = await webHarness();
    try {
      await own.store.redis.hdel(own.store.keys.projects, 'acme');
      const headers = own.bearer({ acme: 'admin' });
      const answer = await own.inject({ url: '/v1/projects/acme/quota', headers });
      expect(answer.json()).toMatchObject({ status: 503, code: 'STORE_UNAVAILABLE' });
      expect(answer.headers['retry-after']).toBe('5');
    } finally {
      await own.close();
    }
  });
});

describe('invoices', () => {
  beforeAll(async () => {
    for (const month of ['2026-01', '2026-02', '2026-03']) {
      await harness.issue('acme', month, `acme-000${month.slice(-1)}`);
    }
  });

  test('are listed page by page, the newest first', async () => {
    const first = await get('/invoices', { query: { limit: '2' } });
    const page = first.json<InvoiceList>();
    expect(page.invoices.map(({ id, total }) => [id, total])).toEqual([
      ['acme-2026-03', '50.00'],
      ['acme-2026-02', '50.00'],
    ]);
    expect(first.headers['link']).toBe(
      `</v1/projects/acme/invoices?limit=2&cursor=${page.nextCursor}>; rel="next"`,
    );
    const rest = await get('/invoices', { query: { limit: '2', cursor: page.nextCursor! } });
    expect(rest.json()).toMatchObject({ invoices: [{ id: 'acme-2026-01' }], nextCursor: null });
    expect((await get('/invoices', { query: { cursor: 'x' } })).statusCode).toBe(400);
    expect((await get('/invoices', { query: { limit: '0' } })).statusCode).toBe(400);
  });

  test('come as JSON byte for byte, as CSV and as PDF', async () => {
    const json = await get('/invoices/{id}', { id: 'acme-2026-02' });
    expect(json.body).toBe(await harness.store.redis.hget(harness.store.keys.invoices('acme'), '2026-02'));
    const csv = await get('/invoices/{id}.csv', { id: 'acme-2026-02' });
    expect(csv.body).toMatch(/^invoice,kind,.*\r\nacme-2026-02,plan,/);
    expect(csv.headers['content-disposition']).toBe('attachment; filename="acme-2026-02.csv"');
    const pdf = await get('/invoices/{id}.pdf', { id: 'acme-2026-02' });
    expect(pdf.rawPayload.subarray(0, 5).toString()).toBe('%PDF-');
    for (const suffix of ['', '.csv', '.pdf']) {
      const missing = await get(`/invoices/{id}${suffix}`, { id: 'acme-2026-04' });
      expect(missing.statusCode).toBe(404);
    }
  });

  test('credit notes stand beside them, and come by their own ids', async () => {
    await harness.set({ project: 'back', plans: [{ plan: 'ship', from: '2026-01-01' }] });
    await harness.issue('back', '2026-02', 'back-0001');
    const note = await harness.credit('back', '2026-02', 'back-CN0001');
    await harness.issue('back', '2026-03', 'back-0002');
    const headers = harness.bearer({ back: 'admin' });
    const list = async (query: Record<string, string>): Promise<InvoiceList> =>
      (await get('/invoices', { project: 'back', query }, headers)).json<InvoiceList>();
    const first = await list({ limit: '2' });
    expect(first.invoices.map(({ id, kind, total }) => [id, kind, total])).toEqual([
      ['back-2026-03', 'invoice', '50.00'],
      ['back-2026-02-CN', 'credit_note', '-3.50'],
    ]);
    expect(await list({ cursor: first.nextCursor! })).toMatchObject({ invoices: [{ id: 'back-2026-02' }] });

    const of = (path: string): Promise<HttpAnswer> =>
      get(path, { project: 'back', id: 'back-2026-02-CN' }, headers);
    expect((await of('/invoices/{id}')).body).toBe(JSON.stringify(note));
    expect((await of('/invoices/{id}.csv')).body).toContain('\r\nback-2026-02-CN,late,2025-12,');
    expect((await of('/invoices/{id}.pdf')).statusCode).toBe(200);
    const usage = await get('/usage', { project: 'back', query: { month: '2026-02' } }, headers);
    expect(usage.json()).toMatchObject({
      costSoFar: '50.00',
      creditNote: { number: 'back-CN0001', total: '-3.50' },
    });
    const page = await harness.inject({ url: '/projects/back/billing/2026-02', headers });
    expect(page.body).toContain('Invoice back-0001');
    expect(page.body).toContain('Credit note back-CN0001');
    expect(page.body).toContain('Corrects December 2025 (invoice back-0001)');
    const statements = await harness.inject({ url: '/projects/back/billing?month=2026-02', headers });
    expect(statements.body).toContain('<span class="status credit_note">Credit note</span>');
    expect(statements.body).toContain('<h3 id="credited-title">Credit note back-CN0001</h3>');
  });

  test("another project's invoice is not to be had under one's own", async () => {
    await harness.issue('small', '2026-02', 'small-0001');
    expect((await get('/invoices/{id}', { id: 'small-2026-02' })).statusCode).toBe(404);
  });

  test('are not for members', async () => {
    for (const path of ['/invoices', '/invoices/{id}', '/invoices/{id}.csv', '/invoices/{id}.pdf']) {
      const answer = await get(path, { project: 'small', id: 'small-2026-02' });
      expect(answer.json()).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    }
  });

  test('a reader who has a PDF already gets 304, and nothing is rendered', async () => {
    const id = { id: 'acme-2026-01' };
    const { etag } = (await get('/invoices/{id}.pdf', id)).headers;
    const rendering = jest.spyOn(harness.web.pdfs, 'render');
    const headers = { ...harness.bearer({ acme: 'admin' }), 'if-none-match': etag! };
    expect((await get('/invoices/{id}.pdf', id, headers)).statusCode).toBe(304);
    expect(rendering).not.toHaveBeenCalled();
    rendering.mockReturnValueOnce(undefined);
    const refused = await get('/invoices/{id}.pdf', id);
    expect(refused.headers).toMatchObject({ 'retry-after': '5', 'cache-control': 'no-store' });
    expect(refused.json()).toMatchObject({ status: 429, code: 'RATE_LIMITED' });
    expect(refused.headers['content-disposition']).toBeUndefined();
    rendering.mockRestore();
  });

  test('a project that asks for many PDFs has two rendered at a time, and delays nobody else', async () => {
    const asked: ((pdf: Buffer) => void)[] = [];
    const rendering = jest
      .spyOn(harness.web.pdfs, 'render')
      .mockImplementation(() => new Promise((resolve) => asked.push(resolve)));
    const noisy = harness.bearer({ acme: 'admin' }, { subject: 'admin' });
    const quiet = harness.bearer({ quiet: 'admin' }, { subject: 'admin' });
    await harness.set({ project: 'quiet', plans: [{ plan: 'ship', from: '2026-01-01' }] });
    await harness.issue('quiet', '2026-01', 'quiet-0001');
    const pdf = (id: string, headers: Record<string, string>): Promise<HttpAnswer> =>
      harness.inject({ url: `/v1/projects/${id.split('-')[0]}/invoices/${id}.pdf`, headers });
    const own = Array.from({ length: 10 }, () => pdf('acme-2026-01', noisy));
    await eventually(() => asked.length === 2);
    expect((await harness.inject({ url: '/v1/projects/acme/usage', headers: noisy })).statusCode).toBe(200);
    const other = pdf('quiet-2026-01', quiet);
    await eventually(() => asked.length === 3);
    asked[2]!(Buffer.from('quiet'));
    expect((await other).body).toBe('quiet');
    for (let done = 0; done < 11; done += 1) {
      await eventually(() => asked.length > done);
      expect(asked.length - done).toBeLessThanOrEqual(3);
      asked[done]!(Buffer.from('noisy'));
    }
    expect((await Promise.all(own)).map(({ statusCode }) => statusCode)).toEqual(own.map(() => 200));
    rendering.mockRestore();
  });

  test('whoever has an invoice already is told so', async () => {
    const { etag } = (await get('/invoices/{id}', { id: 'acme-2026-01' })).headers;
    const ask = (tag: string): Promise<HttpAnswer> =>
      get(
        '/invoices/{id}',
        { id: 'acme-2026-01' },
        { ...harness.bearer({ acme: 'admin' }), 'if-none-match': tag },
      );
    expect((await ask(etag!)).statusCode).toBe(304);
    expect((await ask(`"x", W/${etag}`)).statusCode).toBe(304);
    expect((await ask('"x"')).statusCode).toBe(200);
  });
});

test("a total's tag changes with the total, and not with the time", async () => {
  await harness.set({ project: 'tagged', plans: [{ plan: 'ship', from: '2026-01-01' }] });
  const headers = harness.bearer({ tagged: 'member' });
  const tag = async (): Promise<string> =>
    (await get('/usage', { project: 'tagged' }, headers)).headers.etag!;
  const before = await tag();
  expect(before).toMatch(/^W\/"/);
  const forecast = async (): Promise<string | null> =>
    (await get('/usage', { project: 'tagged' }, headers)).json<UsageAnswer>().forecast;
  await harness.count({
    project: 'tagged',
    usages: [{ meter: 'transfer.downstream', quantity: '300000000000' }],
  });
  const counted = await tag();
  expect(counted).not.toBe(before);
  const expected = await forecast();
  const later = Date.parse(NOW) + 86_400_000;
  const clock = jest.spyOn(harness.web, 'nowMs').mockReturnValue(later);
  expect(await forecast()).not.toBe(expected);
  expect(await tag()).toBe(counted);
  clock.mockRestore();
});

test('HEAD answers as GET does, without a body', async () => {
  const headers = harness.bearer({ acme: 'admin' });
  const answer = await harness.inject({ method: 'HEAD', url: '/v1/projects/acme/usage', headers });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['etag']).toBeDefined();
  expect(answer.body).toBe('');
});

test('answers may be kept only by the reader, and must be asked about', async () => {
  const { headers } = await get('/usage');
  expect(headers).toMatchObject({ 'cache-control': 'private, no-cache', vary: 'Authorization, Cookie' });
  expect((await get('/quota')).headers['cache-control']).toBe('no-store');
});

test('too many requests of one subject are refused, and not those of another or of the same name elsewhere', async () => {
  const namesake = harness.bearer({ small: 'admin' }, { subject: 'greedy' });
  const beside: Promise<HttpAnswer>[] = [];
  const greedy = harness.bearer({ acme: 'admin' }, { subject: 'greedy' });
  let answer = await get('/invoices', {}, greedy);
  for (let asked = 1; asked < 2_000 && answer.statusCode === 200; asked += 1) {
    answer = await harness.inject({ url: '/v1/projects/acme/invoices', headers: greedy });
    if (asked % 20 === 0)
      beside.push(harness.inject({ url: '/v1/projects/small/invoices', headers: namesake }));
  }
  api.check(`${root}/invoices`, answer);
  expect(answer.json()).toMatchObject({ status: 429, code: 'RATE_LIMITED' });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect((await get('/invoices')).statusCode).toBe(200);
  beside.push(harness.inject({ url: '/v1/projects/small/invoices', headers: namesake }));
  expect((await Promise.all(beside)).filter(({ statusCode }) => statusCode !== 200)).toEqual([]);
});

test.each([
  ['is being rebuilt', ({ redis, keys }: Store) => redis.set(keys.shard(1).rebuilding, 'now')],
  ['was emptied', ({ redis, keys }: Store) => redis.del(keys.shard(0).cursor)],
])('of a Redis that %s nothing is shown', async (_, spoil) => {
  const own = await webHarness();
  const headers = own.bearer({ acme: 'admin' });
  await spoil(own.store);
  try {
    for (const path of ['usage', 'quota']) {
      const answer = await own.inject({ url: `/v1/projects/acme/${path}`, headers });
      expect(answer.headers).toMatchObject({
        'retry-after': '30',
        'content-type': expect.stringContaining('application/problem+json'),
      });
      expect(answer.json()).toMatchObject({
        status: 503,
        code: 'STORE_UNAVAILABLE',
        detail: expect.stringMatching(/totals/),
      });
    }
    const page = await own.inject({
      url: '/projects/acme/billing',
      headers: { ...headers, accept: 'text/html' },
    });
    expect(page.statusCode).toBe(503);
    expect(page.body).toMatch(/totals are being rebuilt|There are no totals/);
  } finally {
    await own.close();
  }
});

test('the installation is not ready without Kafka', async () => {
  const sources = { ...harness.web, ledgerWatch: { problem: () => undefined } };
  expect(await askInstallationHealth(sources)).toMatchObject({
    ready: false,
    problems: [{ code: 'LOG_UNSEEN', subject: 'Kafka' }],
  });
});

test.each(['/healthz', '/readyz', '/metrics'])('customers are not shown %s', async (path) => {
  expect((await harness.inject(path)).statusCode).toBe(404);
});

/**
 * What an outside validator says. It is an ES module, which jest cannot load: so it runs on its
 * own.
 */
function openApiProblems(document: object): unknown {
  const script = `
    import { Validator } from '@seriousme/openapi-schema-validator';
    import { readFileSync } from 'node:fs';
    const answer = await new Validator().validate(JSON.parse(readFileSync(0, 'utf8')));
    process.stdout.write(JSON.stringify(answer));`;
  const input = JSON.stringify(document);
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { input });
  return JSON.parse(output.toString());
}
