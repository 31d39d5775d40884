import { createHmac, generateKeyPairSync } from 'node:crypto';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { askRaw, type HttpAnswer } from '../../kit/web/http-client';
import pino from 'pino';
import { SECRET, webHarness, type WebHarness } from '../../kit/web/web-harness';

/** The front door, tried with everything that is usually tried on one. */

let harness: WebHarness;
let logged = '';
const usage = '/v1/projects/acme/usage';
const html = { accept: 'text/html' };

beforeAll(async () => {
  const sink = new Writable({ write: (chunk, _encoding, done) => ((logged += String(chunk)), done()) });
  harness = await webHarness(pino({ level: 'trace' }, sink));
});
afterAll(() => harness.close());

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const inAMinute = (): number => Math.floor(Date.now() / 1000) + 60;

/**
 * A token made by hand, whatever its header says, signed with HMAC-SHA256 unless told otherwise.
 */
function forged(header: object, claims: object, key: string | Buffer = SECRET, hash = 'sha256'): string {
  const input = `${encoded(header)}.${encoded(claims)}`;
  return `${input}.${createHmac(hash, key).update(input).digest('base64url')}`;
}

const claims = (more: object = {}): object => ({
  sub: 'someone',
  exp: inAMinute(),
  projects: { acme: 'admin' },
  ...more,
});
const HS256 = { alg: 'HS256', typ: 'JWT' };
const publicKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
  type: 'spki',
  format: 'pem',
});

test('the token that the others are made from is good', async () => {
  const authorization = `Bearer ${forged(HS256, claims())}`;
  expect((await harness.inject({ url: usage, headers: { authorization } })).statusCode).toBe(200);
});

test.each<[string, () => string]>([
  ['signed with another secret', () => forged(HS256, claims(), 'another secret, more than 32 bytes long')],
  [
    'changed after it was signed',
    () => forged(HS256, claims()).replace(/\.[^.]+\./, `.${encoded(claims({ sub: 'x' }))}.`),
  ],
  ['without a signature', () => forged(HS256, claims()).replace(/[^.]+$/, '')],
  ['alg none', () => `${encoded({ alg: 'none' })}.${encoded(claims())}.`],
  ['alg none, signed', () => forged({ alg: 'none' }, claims())],
  ['alg NONE', () => `${encoded({ alg: 'NONE' })}.${encoded(claims())}.`],
  ['RS256, signed with the secret', () => forged({ alg: 'RS256' }, claims())],
  ['HS256, signed with a public key', () => forged(HS256, claims(), publicKey)],
  ['HS512', () => forged({ alg: 'HS512' }, claims(), SECRET, 'sha512')],
  ['HS384', () => forged({ alg: 'HS384' }, claims(), SECRET, 'sha384')],
  ['a header that must be understood', () => forged({ ...HS256, crit: ['x'], x: 1 }, claims())],
  ['without exp', () => forged(HS256, claims({ exp: undefined }))],
  ['exp as text', () => forged(HS256, claims({ exp: '9999999999' }))],
  ['without sub', () => forged(HS256, claims({ sub: undefined }))],
  ['sub of another type', () => forged(HS256, claims({ sub: ['someone'] }))],
  ['a role that is none', () => forged(HS256, claims({ projects: { acme: 'owner' } }))],
  ['projects as a list', () => forged(HS256, claims({ projects: ['acme'] }))],
  ['not yet good', () => forged(HS256, claims({ nbf: inAMinute() }))],
  ['no token at all', () => 'x'],
  ['too long', () => forged(HS256, claims({ filler: 'x'.repeat(70_000) })).slice(0, 12_000)],
])('a token that is %s is refused', async (_what, token) => {
  const answer = await harness.inject({ url: usage, headers: { authorization: `Bearer ${token()}` } });
  expect(answer.json()).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
});

test('an expired token is refused, half a minute of difference between clocks is not', async () => {
  const at = async (seconds: number): Promise<number> => {
    const exp = Math.floor(Date.now() / 1000) - seconds;
    const authorization = `Bearer ${forged(HS256, claims({ exp }))}`;
    return (await harness.inject({ url: usage, headers: { authorization } })).statusCode;
  };
  expect(await at(20)).toBe(200);
  expect(await at(40)).toBe(401);
});

test('no token: 401, for people a page that says how to sign in', async () => {
  const answer = await harness.inject(usage);
  expect(answer.json()).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  expect(answer.headers['content-type']).toContain('application/problem+json');
  const page = await harness.inject({ url: '/projects/acme/billing', headers: html });
  expect(page.statusCode).toBe(401);
  expect(page.headers['content-type']).toContain('text/html');
  expect(page.body).toContain('<h1>Sign in</h1>');
});

test.each([
  ['Basic', `Basic ${Buffer.from('a:b').toString('base64')}`],
  ['nothing', ''],
])(
  'authorization of another kind (%s) is refused, and no cookie taken instead',
  async (_kind, authorization) => {
    const cookie = await harness.cookie({ acme: 'admin' });
    const answer = await harness.inject({ url: usage, headers: { authorization, cookie } });
    expect(answer.statusCode).toBe(401);
  },
);

test("another's project looks like one that is not there", async () => {
  const headers = harness.bearer({ acme: 'admin' });
  const ask = (project: string): Promise<{ statusCode: number; body: string }> =>
    harness.inject({ url: `/v1/projects/${project}/usage`, headers });
  expect((await ask('small')).statusCode).toBe(404);
  expect((await ask('small')).body).toBe((await ask('no-such-project')).body);
});

test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
  '%s is a project like any other',
  async (project) => {
    const url = `/v1/projects/${project}/usage`;
    const other = await harness.inject({ url, headers: harness.bearer({ acme: 'admin' }) });
    expect(other.statusCode).toBe(404);
    const authorization = `Bearer ${forged(HS256, claims({ projects: JSON.parse(`{"${project}":"member"}`) as object }))}`;
    await harness.count({ project, usages: [{ meter: 'agent.session', quantity: '60' }] });
    const own = await harness.inject({ url, headers: { authorization } });
    expect(own.json()).toMatchObject({ project, totals: { 'agent.session': '60' } });
  },
);

/** A request as bytes: clients tidy paths and headers up before they send them. */
const raw = (head: string): Promise<string> =>
  askRaw(harness.app.server, `${head}\r\nHost: x\r\nConnection: close\r\n\r\n`);

test.each([
  '/v1/projects/%2e%2e/usage',
  '/v1/projects/../usage',
  '/v1/projects/acme%2f..%2fsmall/usage',
  '/v1/projects/small%2fusage',
  '/v1/projects/acme/../small/usage',
  '/v1/projects/small%00/usage',
  '/v1/projects/acme%00small/usage',
  '/v1/projects/acme;small/usage',
  '/v1/projects//usage',
  '/v1/projects/acme%0d%0aset-cookie:%20a=b/usage',
  '/v1/projects/acme/invoices/acme-2026-01%0d%0ax:y-2026-01.csv',
  '/v1/projects/acme/invoices/..%2f..%2fsmall-2026-01.csv',
  `/v1/projects/${'a'.repeat(5_000)}/usage`,
  '/v1/projects/%zz/usage',
  '/static/../package.json',
  '/static/%2e%2e/%2e%2e/package.json',
])('path %s leads nowhere', async (path) => {
  const answer = await raw(
    `GET ${path} HTTP/1.1\r\nAuthorization: Bearer ${harness.token({ acme: 'admin' })}`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 4(00|04|14) /);
  expect(answer.split('\r\n\r\n')[0]).not.toMatch(/set-cookie|x:y/i);
});

test('oversized headers and bodies are refused', async () => {
  expect(await raw(`GET /nowhere HTTP/1.1\r\nX-Filler: ${'x'.repeat(20_000)}`)).toMatch(/^HTTP\/1\.1 431 /);
  const body = await harness.inject({
    method: 'POST',
    url: '/logout',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: `proof=${'x'.repeat(20_000)}`,
  });
  expect(body.json()).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
});

describe('signing in and out', () => {
  const login = (token: string, headers: Record<string, string> = {}): Promise<HttpAnswer> =>
    harness.inject({ url: '/login', query: { token }, headers: { ...html, ...headers } });

  test('begins a session that a random cookie names, and leads to an address without the token', async () => {
    const token = harness.token({ acme: 'admin' });
    const answer = await login(token);
    expect(String(answer.headers['set-cookie'])).not.toContain(token.split('.')[1]!.slice(0, 20));
    expect(answer.statusCode).toBe(303);
    expect(answer.headers['location']).toBe('/');
    expect(answer.headers['referrer-policy']).toBe('no-referrer');
    expect(String(answer.headers['set-cookie'])).toMatch(
      /^tallyman_session=[\w-]{43}; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
    );
    const cookie = String(answer.headers['set-cookie']).split(';')[0]!;
    expect((await harness.inject({ url: '/', headers: { cookie } })).headers['location']).toBe(
      '/projects/acme/billing',
    );
    expect(
      (await harness.inject({ url: '/projects/acme/billing', headers: { ...html, cookie } })).statusCode,
    ).toBe(200);
  });

  test('behind a proxy that speaks https the cookie is for https only', async () => {
    const answer = await login(harness.token({ acme: 'admin' }), { 'x-forwarded-proto': 'https' });
    expect(String(answer.headers['set-cookie'])).toMatch(
      /^__Host-tallyman_session=[\w-]{43}; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax; Secure$/,
    );
  });

  test('with a bad token sets nothing', async () => {
    for (const token of ['x', '', forged(HS256, claims({ exp: 1 }))]) {
      const answer = await login(token);
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
  });

  test('a form of another site signs nobody out', async () => {
    const cookie = await harness.cookie({ acme: 'admin' });
    const page = await harness.inject({ url: '/projects/acme/billing', headers: { ...html, cookie } });
    const proof = /name="proof" value="([^"]+)"/.exec(page.body)![1]!;
    const post = (payload: string, headers: Record<string, string> = {}): Promise<HttpAnswer> =>
      harness.inject({
        method: 'POST',
        url: '/logout',
        headers: { 'content-type': 'application/x-www-form-urlencoded', cookie, ...headers },
        payload,
      });
    for (const [payload, headers] of [
      ['', {}],
      ['proof=', {}],
      ['proof=x', {}],
      [`proof=${proof}`, { 'sec-fetch-site': 'cross-site' }],
      [`proof=${proof}`, { cookie: await harness.cookie({ acme: 'admin' }, { subject: 'other' }) }],
      [`proof=${proof}&proof=${proof}`, {}],
    ] as const) {
      const answer = await post(payload, headers);
      expect(answer.statusCode).toBe(403);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
    const answer = await post(`proof=${proof}`, { 'sec-fetch-site': 'same-origin' });
    expect(answer.statusCode).toBe(200);
    expect(String(answer.headers['set-cookie'])).toContain(
      'tallyman_session=; Path=/; Expires=Thu, 01 Jan 1970',
    );
    // A copy of the cookie is worth nothing by now, neither on a page nor for the API.
    const stolen = { cookie };
    expect((await harness.inject({ url: usage, headers: stolen })).json()).toMatchObject({
      code: 'TOKEN_EXPIRED',
    });
    expect((await harness.inject({ url: '/', headers: { ...html, ...stolen } })).statusCode).toBe(401);
  });
});

test('what producers and customers wrote cannot become HTML', async () => {
  const model = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>&amp;`;
  await harness.count({ project: 'html', usages: [{ meter: 'inference.stt', model, quantity: '1' }] });
  const cookie = await harness.cookie({ html: 'admin' });
  for (const query of [{}, { meter: `inference.stt/${model}` }, { meter: '"><script>' }]) {
    const page = await harness.inject({
      url: '/projects/html/billing',
      headers: { ...html, cookie },
      query,
    });
    expect(page.statusCode).toBe(200);
    expect(page.body).not.toMatch(/<script>|<img/);
    expect(page.body).toContain('&lt;script&gt;alert(1)');
  }
});

test('a member opens no billing page, and is shown the way to the usage', async () => {
  const cookie = await harness.cookie({ acme: 'member' });
  const billing = await harness.inject({ url: '/projects/acme/billing', headers: { ...html, cookie } });
  expect(billing.statusCode).toBe(403);
  expect(billing.body).toContain('href="/projects/acme/usage"');
  const own = await harness.inject({ url: '/projects/acme/usage', headers: { ...html, cookie } });
  expect(own.statusCode).toBe(200);
  expect(own.body).not.toMatch(/Statements|Invoices/);
});

test('every answer carries the headers that keep browsers strict', async () => {
  for (const url of ['/projects/acme/billing', usage, '/nowhere', '/login']) {
    const { headers } = await harness.inject({ url, headers: html });
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|data:/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
    expect(headers['x-powered-by']).toBeUndefined();
  }
});

test('pages hold no inline script, style or handler', async () => {
  const cookie = await harness.cookie({ acme: 'admin' });
  const { body } = await harness.inject({ url: '/projects/acme/billing', headers: { ...html, cookie } });
  expect(body).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=/i);
});

test('no log line holds a token, whichever way it came', async () => {
  const token = harness.token({ acme: 'admin' });
  await harness.inject({ url: '/login', query: { token } });
  await harness.inject({ url: usage, headers: { authorization: `Bearer ${token}` } });
  const cookie = await harness.cookie({ acme: 'admin' });
  await harness.inject({ url: '/', headers: { cookie } });
  await harness.inject({ url: '/login', query: { token: 'a-secret-that-is-wrong' } });
  expect(logged).toContain('"route":"/login"');
  expect(logged).not.toContain(token.split('.')[2]!);
  expect(logged).not.toContain('a-secret-that-is-wrong');
  expect(logged).not.toContain(cookie.split('=')[1]!);
});

test('readers who leave in the middle of a download, in every way, end nothing and keep no turn', async () => {
  await harness.issue('acme', '2026-02', 'acme-0001');
  const headers = { ...harness.bearer({ acme: 'admin' }), 'accept-encoding': 'br' };
  const paths = ['invoices/acme-2026-02.pdf', 'invoices/acme-2026-02.csv', 'usage.csv'];
  const { port } = harness.app.server.address() as AddressInfo;
  const leave: ((socket: Socket) => unknown)[] = [
    (socket) => setImmediate(() => socket.destroy()),
    (socket) => setImmediate(() => socket.resetAndDestroy()),
    (socket) => socket.once('data', () => socket.destroy()),
    (socket) => socket.once('data', () => socket.resetAndDestroy()),
    (socket) => socket.end(),
    (socket) => socket.write('garbage\r\n\r\n'),
  ];
  const leaveFrom = (path: string, way: (socket: Socket) => unknown): Promise<unknown> => {
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const question = `GET /v1/projects/acme/${path} HTTP/1.1\r\nhost: a\r\n${fields.join('')}\r\n`;
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.on('data', () => undefined); // Whoever reads nothing never sees the end.
    socket.once('connect', () => {
      socket.write(question);
      way(socket);
    });
    return new Promise((resolve) => socket.once('close', resolve));
  };
  const ways = paths.flatMap((path) => leave.map((way) => [path, way] as const));
  for (let time = 0; time < 5; time += 1) await Promise.all(ways.map(([path, way]) => leaveFrom(path, way)));
  for (const path of paths)
    expect((await harness.inject({ url: `/v1/projects/acme/${path}`, headers })).statusCode).toBe(200);
});
