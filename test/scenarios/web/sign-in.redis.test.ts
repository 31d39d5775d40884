import { createHmac } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { keepLinkMarks } from '../../../src/redis/sign-ins';
import { createServer } from '../../../src/web/http/server';
import { createTokens, type RevocationCheck, type TokenRequest } from '../../../src/web/http/tokens';
import { ask, type HttpAnswer } from '../../kit/web/http-client';
import { SECRET, webHarness, type WebHarness } from '../../kit/web/web-harness';

/** Sign-in links and the sessions that begin with them, on two servers side by side. */

let harness: WebHarness;
let second: FastifyInstance;
let isRevoked: RevocationCheck = () => false;
const tokens = createTokens(SECRET);

beforeAll(async () => {
  harness = await webHarness();
  const checked = createTokens(SECRET, (token) => isRevoked(token));
  second = await createServer({ ...harness.web, tokens: checked, registry: new Registry() });
  await second.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await second.close();
  await harness.close();
});

const inMinutes = (minutes: number): number => Date.now() + minutes * 60_000;

function link(more: Partial<TokenRequest> = {}): string {
  const times = { expiresAtMs: inMinutes(10), sessionExpiresAtMs: inMinutes(60) };
  return tokens.sign({ subject: 'ann', projects: { acme: 'admin' }, ...times, ...more });
}

/** A link of whoever has the secret and tools of their own. */
function signedByHost(claims: object): string {
  const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const input = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`;
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}

const open = (app: FastifyInstance, token: string, more: object = {}): Promise<HttpAnswer> =>
  ask(app.server, { url: '/login', query: { token }, ...more });

const cookieOf = (answer: HttpAnswer): string => String(answer.headers['set-cookie']).split(';')[0]!;

async function isSignedIn(app: FastifyInstance, cookie: string): Promise<boolean> {
  const { statusCode } = await ask(app.server, { url: '/v1/projects/acme/usage', headers: { cookie } });
  return statusCode === 200;
}

test('a link signs in once, on one server of two, and the session is good on both', async () => {
  const token = link();
  const first = await open(harness.app, token);
  expect(first.statusCode).toBe(303);
  expect(await isSignedIn(harness.app, cookieOf(first))).toBe(true);
  expect(await isSignedIn(second, cookieOf(first))).toBe(true);
  for (const app of [harness.app, second]) {
    const again = await open(app, token);
    expect(again.json()).toMatchObject({
      ...{ status: 401, code: 'UNAUTHENTICATED' },
      detail: 'This sign-in link was used already. Request a new one.',
    });
    expect(again.headers['set-cookie']).toBeUndefined();
  }
  // Whoever signed in with it, and opens it again, is where it leads.
  const own = await open(second, token, { headers: { cookie: cookieOf(first) } });
  expect(own).toMatchObject({ statusCode: 303, headers: { location: '/' } });
  expect(own.headers['set-cookie']).toBeUndefined();
  const other = await harness.cookie({ small: 'admin' });
  expect((await open(second, token, { headers: { cookie: other } })).statusCode).toBe(401);
});

test('of ten who open a link at the same time, one signs in', async () => {
  const token = link();
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, at) => open(at % 2 === 0 ? harness.app : second, token)),
  );
  expect(answers.filter(({ statusCode }) => statusCode === 303)).toHaveLength(1);
  expect(answers.filter(({ headers }) => headers['set-cookie'] !== undefined)).toHaveLength(1);
});

test('neither HEAD nor a browser that looks ahead uses a link up', async () => {
  const token = link();
  expect((await open(second, token, { method: 'HEAD' })).statusCode).toBe(405);
  expect((await open(second, token, { headers: { 'sec-purpose': 'prefetch;prerender' } })).statusCode).toBe(
    403,
  );
  expect((await open(second, token)).statusCode).toBe(303);
});

test("a link opens the projects that it names, and no other tenant's", async () => {
  const cookie = cookieOf(await open(second, link({ projects: { small: 'member' } })));
  expect(await isSignedIn(second, cookie)).toBe(false);
  const own = await ask(second.server, { url: '/v1/projects/small/usage', headers: { cookie } });
  expect(own.statusCode).toBe(200);
  const invoices = await ask(second.server, { url: '/v1/projects/small/invoices', headers: { cookie } });
  expect(invoices.statusCode).toBe(403);
});

test('a session is not the cookie that a browser had before', async () => {
  const planted = 'tallyman_session=planted-by-somebody-else-who-knows-it';
  const answer = await open(second, link(), { headers: { cookie: planted } });
  expect(cookieOf(answer)).not.toBe(planted);
  expect(await isSignedIn(second, planted)).toBe(false);
  expect(await isSignedIn(second, `tallyman_session=${link()}`)).toBe(false);
  expect(await isSignedIn(second, 'tallyman_session=')).toBe(false);
});

test.each<[string, (seconds: number) => object, string]>([
  ['valid for longer than 15 minutes', (now) => ({ iat: now, exp: now + 901 }), 'valid for longer'],
  ['of an unknown age', (now) => ({ exp: now + 60 }), 'valid for longer'],
  ['expired, but for what clocks may differ', (now) => ({ iat: now - 90, exp: now - 40 }), 'Request a new'],
  ['not valid yet', (now) => ({ iat: now, exp: now + 600, nbf: now + 60 }), 'incomplete'],
  ['without a name for its session', (now) => ({ iat: now, exp: now + 60, jti: '' }), 'incomplete'],
  [
    'for a session without an end',
    (now) => ({ iat: now, exp: now + 60, session_exp: 'never' }),
    'incomplete',
  ],
])('a link that is %s is refused', async (_what, times, detail) => {
  const claims = { sub: 'ann', projects: { acme: 'admin' }, ...times(Math.floor(Date.now() / 1_000)) };
  const answer = await open(harness.app, signedByHost(claims));
  expect(answer.json()).toMatchObject({ status: 401, detail: expect.stringContaining(detail) });
  expect(answer.headers['set-cookie']).toBeUndefined();
});

test('a host may sign links itself: without an id a link works once as well, and its session is as short', async () => {
  const now = Math.floor(Date.now() / 1_000);
  const token = signedByHost({ sub: 'bob', iat: now, exp: now + 60, projects: { acme: 'admin' } });
  const answer = await open(second, token);
  expect(answer.statusCode).toBe(303);
  expect(String(answer.headers['set-cookie'])).toContain(
    `Expires=${new Date((now + 60) * 1_000).toUTCString()}`,
  );
  expect((await open(harness.app, token)).statusCode).toBe(401);
});

test('a clock that is half a minute behind or ahead makes good links', async () => {
  const now = Math.floor(Date.now() / 1_000);
  // Marks are kept since this test began, so a clock behind them would look like an old link.
  await harness.store.redis.set(harness.store.keys.linksSince, (now - 60) * 1_000);
  for (const skew of [-25, 25]) {
    const times = { iat: now + skew, exp: now + skew + 900 };
    const token = signedByHost({ sub: 'ann', projects: { acme: 'admin' }, ...times });
    expect((await open(second, token)).statusCode).toBe(303);
    expect((await open(second, token)).statusCode).toBe(401);
  }
});

test('a Redis that was emptied ends all sessions, and accepts no link that it may have forgotten', async () => {
  const token = link();
  const cookie = cookieOf(await open(second, token));
  const { redis, keys } = harness.store;
  await redis.del(...(await redis.keys(`${harness.web.config.prefix}:sign-in:*`)));
  expect(await isSignedIn(second, cookie)).toBe(false);
  await keepLinkMarks(harness.store);
  expect(Number(await redis.get(keys.linksSince))).toBeGreaterThan(Date.now() - 60_000);
  // Not the moment itself, because the time in a token is in whole seconds.
  await redis.set(keys.linksSince, Date.now() + 60_000);
  expect((await open(second, token)).statusCode).toBe(401);
  expect((await open(second, link())).statusCode).toBe(401);
  await redis.set(keys.linksSince, Date.now() - 60_000);
  expect((await open(second, link())).statusCode).toBe(303);
});

describe('revoked', () => {
  afterEach(() => (isRevoked = () => false));

  test('a link opens nothing, its session ends, and so does the token', async () => {
    const [token, unused] = [link({ id: 'one' }), link({ id: 'one' })];
    const cookie = cookieOf(await open(second, token));
    const bearer = { authorization: `Bearer ${token}` };
    const usage = { url: '/v1/projects/acme/usage', headers: bearer };
    expect((await ask(second.server, usage)).statusCode).toBe(200);
    isRevoked = ({ id }) => id === 'one';
    expect(await isSignedIn(second, cookie)).toBe(false);
    expect((await ask(second.server, usage)).json()).toMatchObject({
      ...{ status: 401, code: 'UNAUTHENTICATED', detail: 'This token was revoked.' },
    });
    expect((await open(second, unused)).json()).toMatchObject({
      detail: 'This sign-in link was revoked. Request a new one.',
    });
  });

  test('is told by subject and time, which the session has of its own', async () => {
    const cookie = cookieOf(await open(second, link()));
    const seen: unknown[] = [];
    isRevoked = (token) => {
      seen.push(token);
      return false;
    };
    expect(await isSignedIn(second, cookie)).toBe(true);
    expect(seen).toContainEqual(
      expect.objectContaining({ subject: 'ann', issuedAtMs: expect.any(Number) as number }),
    );
    isRevoked = ({ subject, issuedAtMs }) => subject === 'ann' && issuedAtMs <= Date.now();
    expect(await isSignedIn(second, cookie)).toBe(false);
  });

  test('nobody is let in while it is not known what was', async () => {
    const cookie = cookieOf(await open(second, link()));
    isRevoked = () => undefined;
    const answer = await ask(second.server, { url: '/v1/projects/acme/usage', headers: { cookie } });
    expect(answer.json()).toMatchObject({ status: 503, code: 'STORE_UNAVAILABLE' });
    expect(answer.headers['retry-after']).toBe('5');
    expect((await open(second, link())).statusCode).toBe(503);
  });
});
