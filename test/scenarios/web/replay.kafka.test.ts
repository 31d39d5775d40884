import type { ChildProcess } from 'node:child_process';
import { freePort } from '../../../src/dev/services/free-port';
import { openKafka } from '../../../src/kafka/client';
import { createPublisher } from '../../../src/kafka/producer';
import { watchRevocations } from '../../../src/installation/revocations';
import { createLogger } from '../../../src/lib/logger';
import { createTokens, type TokenRequest } from '../../../src/web/http/tokens';
import { eventually, testBrokers } from '../../kit/services';
import { installation } from '../../kit/tallyman';

/**
 * What `tallyman serve` does with Kafka: dead letters are replayed, alerts and explanations are
 * read.
 */

const SECRET = 'a secret of the tests, more than 32 bytes long';
const nowMs = Date.now();
const month = new Date(nowMs).toISOString().slice(0, 7);
const lastMonth = new Date(Date.parse(`${month}-01T00:00:00Z`) - 1).toISOString().slice(0, 7);
let tallyman: ReturnType<typeof installation>;
let server: ChildProcess;
let origin: string;
let topic: string;

beforeAll(async () => {
  const [port, healthPort] = [await freePort(), await freePort()];
  origin = `http://127.0.0.1:${port}`;
  tallyman = installation({
    TALLYMAN_AUTH_SECRET: SECRET,
    TALLYMAN_PORT: String(port),
    TALLYMAN_FUTURE_LIMIT: '0s',
  });
  topic = `${tallyman.prefix}.usage.session`;
  await tallyman.ok('init', '--partitions', '2', '--timestamps', 'create');
  const from = `${lastMonth}-01`;
  await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship', '--from', from, '--budget', '20.00');
  await publishLetters();
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('alerts', 'watch', '--once');
  await tallyman.ok('close', lastMonth, '--grace', '0s');
  server = installation({ ...tallyman.env, TALLYMAN_HEALTH_PORT: String(healthPort) }).start('serve');
  await eventually(async () => (await fetch(`http://127.0.0.1:${healthPort}/healthz`)).ok, {
    timeoutMs: 60_000,
  });
  ops = await cookieOf({ role: 'ops' });
});
afterAll(async () => {
  const closed = new Promise((resolve) => server.once('close', resolve));
  server.kill('SIGTERM');
  await closed;
});

/**
 * At offsets 0 to 2 events whose records were stamped too early, which are good by now; at 3 one
 * that never is.
 */
async function publishLetters(): Promise<void> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  const event = (id: string, atMs = nowMs): string =>
    JSON.stringify({
      ...{ specversion: '1.0', id, source: '/sfu', type: 'usage.session.v1', subject: 'acme' },
      time: new Date(atMs).toISOString(),
      data: { service: 'webrtc', durationMs: 60_000 },
    });
  const early = { key: 'acme', partition: 1, timestampMs: nowMs - 3_600_000 };
  await publisher.publish(topic, [
    ...['one', 'two', 'three'].map((id) => ({ ...early, value: event(id) })),
    { ...early, value: '<script>alert(1)</script>' },
  ]);
  const midMs = Date.parse(`${lastMonth}-15T12:00:00Z`);
  const earlier = { key: 'acme', partition: 0, timestampMs: midMs };
  await publisher.publish(topic, [{ ...earlier, value: event('last month', midMs) }]);
  await publisher.close();
  await client.close();
}

/** A token, which may be in a link. */
function tokenOf(request: Partial<TokenRequest>): string {
  const times = { expiresAtMs: Date.now() + 120_000, sessionExpiresAtMs: nowMs + 3_600_000 };
  return createTokens(SECRET).sign({ subject: 'someone', ...times, ...request });
}

/** Signs in with a link. */
async function cookieOf(request: Partial<TokenRequest>): Promise<string> {
  const token = tokenOf(request);
  const answer = await fetch(`${origin}/login?token=${token}`, { redirect: 'manual' });
  return answer.headers.getSetCookie()[0]!.split(';')[0]!;
}
let ops: string;

async function opsPage(cookie = ops): Promise<{ status: number; body: string; proof: string }> {
  const answer = await fetch(`${origin}/ops`, { headers: { cookie, accept: 'text/html' } });
  const body = await answer.text();
  return { status: answer.status, body, proof: /name="proof" value="([^"]+)"/.exec(body)?.[1] ?? '' };
}

async function post(
  fields: Record<string, string> | [string, string][],
  headers: Record<string, string> = { cookie: ops },
): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${origin}/ops/replay`, {
    method: 'POST',
    headers: { accept: 'text/html', ...headers },
    body: new URLSearchParams(fields),
  });
  return { status: answer.status, body: await answer.text() };
}

async function replayed(): Promise<number> {
  return (await tallyman.json<{ replayed: number }>('dead-letters', 'list')).replayed;
}

test('only who runs the installation replays, and only by a form of the page', async () => {
  const before = await replayed();
  const { proof, body } = await opsPage();
  expect(body).toContain('action="/ops/replay"');
  expect(body).toContain('&lt;script&gt;');
  const reason = 'from_the_future';
  const statuses: number[] = [];
  for (const request of [{ projects: { acme: 'admin' } }, { projects: { acme: 'member' } }] as const) {
    const cookie = await cookieOf(request);
    const page = await fetch(`${origin}/projects/acme/usage`, { headers: { cookie } });
    const own = /name="proof" value="([^"]+)"/.exec(await page.text())![1]!;
    for (const given of [own, proof])
      statuses.push((await post({ reason, proof: given }, { cookie })).status);
  }
  expect(statuses).toEqual([404, 404, 404, 404]);
  expect((await post({ reason, proof }, {})).status).toBe(401);
  const other = await cookieOf({ role: 'ops', subject: 'other' });
  const bearer = { authorization: `Bearer ${tokenOf({ role: 'ops' })}` };
  for (const [fields, headers] of [
    [{ reason }, { cookie: ops }],
    [{ reason, proof: 'x' }, { cookie: ops }],
    [{ reason, proof }, { cookie: other }],
    [
      { reason, proof },
      { cookie: ops, 'sec-fetch-site': 'cross-site' },
    ],
    [{ reason, proof }, bearer],
  ] as [Record<string, string>, Record<string, string>][]) {
    expect((await post(fields, headers)).status).toBe(403);
  }
  expect((await fetch(`${origin}/ops/replay`, { headers: { cookie: ops } })).status).toBe(405);
  expect(await replayed()).toBe(before);
});

test('what is asked for must be one letter or one reason, and be there', async () => {
  const before = await replayed();
  const { proof } = await opsPage();
  const reason = 'from_the_future';
  expect((await post({ proof })).status).toBe(400);
  expect((await post({ proof, reason, place: `${topic}/1/0` })).status).toBe(400);
  expect((await post([['proof', proof], ['reason', reason], ['reason', reason]])).status).toBe(400); // prettier-ignore
  for (const place of ['nowhere/0/0', `${topic}/1/99`, '__proto__']) {
    expect((await post({ proof, place })).status).toBe(404);
  }
  expect((await post({ proof, reason: 'toString' })).status).toBe(404);
  expect(await replayed()).toBe(before);
});

test('one letter, then the rest of its reason; what would be refused again stays and is told', async () => {
  const { proof } = await opsPage();
  const figures = (body: string): string[] =>
    [...body.matchAll(/class="figure">([^<]*)</g)].map(([, figure]) => figure!);
  const one = await post({ proof, place: `${topic}/1/1` });
  expect(one.status).toBe(200);
  expect(figures(one.body)).toEqual(['1', '0']);
  expect((await opsPage()).body).toContain('Replayed at ');
  expect((await post({ proof, place: `${topic}/1/1` })).status).toBe(404);

  // Many are asked about first, with their number; more than were agreed to are asked about again.
  const reason = 'from_the_future';
  for (const fields of [{ reason }, { reason, confirmed: '1' }]) {
    const asked = await post({ proof, ...fields });
    expect(asked.status).toBe(200);
    expect(asked.body).toContain('<h1>Replay 2 dead letters?</h1>');
    expect(/name="confirmed" value="([^"]+)"/.exec(asked.body)![1]).toBe('2');
    expect(asked.body.includes('1 more have been added since')).toBe('confirmed' in fields);
  }
  expect(await replayed()).toBe(1);
  expect((await post({ proof, reason, confirmed: 'all' })).status).toBe(400);
  expect((await post({ proof: 'x', reason, confirmed: '2' })).status).toBe(403);

  // Two at once: the second finds nothing left.
  const both = await Promise.all([1, 2].map(() => post({ proof, reason, confirmed: '2' })));
  expect(both.map(({ status }) => status).sort()).toEqual([200, 404]);
  expect(figures(both.find(({ status }) => status === 200)!.body)).toEqual(['2', '0']);

  const bad = await post({ proof, reason: 'malformed_json' });
  expect(figures(bad.body)).toEqual(['0', '1']);
  expect(bad.body).toContain(`${topic}/1/3`);
  expect(bad.body).not.toContain('<script>alert');

  expect(await replayed()).toBe(3);
  await tallyman.ok('consume', '--until-caught-up');
  const { totals } = await tallyman.json<{ totals: unknown }>('totals', 'acme', '--month', month);
  expect(totals).toEqual({ 'session.webrtc': '180' });
});

describe('what the command line reads from Kafka, the API answers', () => {
  const get = async (path: string, token: Partial<TokenRequest>): Promise<Response> => {
    const authorization = `Bearer ${tokenOf(token)}`;
    return fetch(`${origin}/v1/projects/acme/${path}`, { headers: { authorization } });
  };
  const admin = { projects: { acme: 'admin' } } as const;

  test('alerts, all or those of a month', async () => {
    const listed = await tallyman.json<{ alerts: unknown[] }>('alerts', 'list', '--project', 'acme');
    expect(listed.alerts).toHaveLength(2); // 80 % and 100 % of the budget
    expect(await (await get('alerts', admin)).json()).toEqual(listed);
    expect(await (await get(`alerts?month=${lastMonth}`, admin)).json()).toEqual(listed);
    expect(await (await get(`alerts?month=${month}`, admin)).json()).toEqual({ alerts: [] });
    expect((await get('alerts', { projects: { acme: 'member' } })).status).toBe(403);
  });

  test('the budget that they are about', async () => {
    expect(await (await get(`budget?month=${lastMonth}`, admin)).json()).toEqual({
      ...{ project: 'acme', month: lastMonth, currency: 'USD' },
      ...{ budget: '20.00', used: '50.00', remaining: '-30.00', forecast: null },
    });
  });

  test('the events behind an invoice, byte for byte, or those of one line', async () => {
    const id = `acme-${lastMonth}`;
    const path = `invoices/${id}/explanation`;
    expect(await (await get(path, admin)).text()).toBe(await tallyman.ok('explain', id, '--json'));
    const lines = await tallyman.json<{ lines: { line: { number: number } }[] }>('explain', id);
    const { number } = lines.lines[0]!.line;
    const one = await get(`${path}?line=${number}`, admin);
    expect(await one.json()).toMatchObject({ lines: [{ line: { number }, agrees: true, counted: 1 }] });
    const problem = async (query: string, token: Partial<TokenRequest> = admin): Promise<unknown> =>
      (await get(`${path}?${query}`, token)).json();
    expect(await problem('line=1')).toMatchObject({
      status: 404,
      detail: expect.stringMatching(/money alone/),
    });
    expect(await problem('line=0')).toMatchObject({ status: 400 });
    expect(await problem('', { projects: { acme: 'member' } })).toMatchObject({ status: 403 });
  });
});

describe('tallyman token revoke', () => {
  interface MadeToken {
    readonly id: string;
    readonly token: string;
    readonly link: string;
  }
  const make = async (...words: string[]): Promise<MadeToken> =>
    JSON.parse(await tallyman.ok('token', '--role', 'ops', '--json', ...words)) as MadeToken;
  const statusOf = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(`${origin}/ops`, { headers })).status;
  const bearer = ({ token }: MadeToken): Record<string, string> => ({ authorization: `Bearer ${token}` });
  const refused = (headers: Record<string, string>): Promise<unknown> =>
    eventually(async () => (await statusOf(headers)) === 401);

  test('ends tokens and sessions by id, by the token itself and by subject, also for a server that starts later', async () => {
    const [byId, byToken, other] = [await make(), await make(), await make('--subject', 'ben')];
    const ann = await make('--subject', 'ann', '--link', origin);
    const signedIn = await fetch(ann.link, { redirect: 'manual' });
    const session = { cookie: signedIn.headers.getSetCookie()[0]!.split(';')[0]! };
    for (const headers of [bearer(byId), bearer(byToken), bearer(other), session])
      expect(await statusOf(headers)).toBe(200);
    // Only a token needs the secret that signed it.
    const { TALLYMAN_AUTH_SECRET: _, ...env } = tallyman.env;
    await installation(env).ok('token', 'revoke', byId.id);
    await tallyman.ok('token', 'revoke', byToken.token, '--subject', 'ann');
    await refused(bearer(byId));
    await refused(bearer(byToken));
    await refused(session);
    expect(await statusOf(bearer(other))).toBe(200);

    const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
    const watch = await watchRevocations(client, tallyman.prefix, createLogger('silent'));
    const claims = { id: 'new', issuedAtMs: Date.now() };
    expect(watch.isRevoked({ ...claims, subject: 'ann' })).toBe(true);
    expect(watch.isRevoked({ ...claims, subject: 'ann', issuedAtMs: Date.now() + 3_600_000 })).toBe(false);
    expect(watch.isRevoked({ ...claims, subject: 'ben' })).toBe(false);
    expect(watch.isRevoked({ ...claims, subject: 'ben', id: byId.id })).toBe(true);
    watch.stop();
    await client.close();
    await tallyman.ok('doctor'); // Settings of this installation are read as ever.
  });

  test('refuses what is not a token of this installation, and nothing at all', async () => {
    const foreign = createTokens('another secret, more than 32 bytes long').sign({
      ...{ subject: 'someone', role: 'ops', expiresAtMs: Date.now() + 60_000 },
    });
    for (const words of [[], [foreign]]) {
      const answer = await tallyman.run(['token', 'revoke', ...words]);
      expect(answer).toMatchObject({ code: 2, stderr: expect.stringContaining('[BAD_TOKEN]') as string });
    }
  });
});
