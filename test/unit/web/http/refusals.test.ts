import type { FastifyInstance } from 'fastify';
import { readConfig } from '../../../../src/lib/config';
import { createLogger } from '../../../../src/lib/logger';
import { createBaseApp } from '../../../../src/web/http/base-app';
import { ask, askRaw } from '../../../kit/web/http-client';

/** What every server refuses before a route runs, as bytes on a socket. */

let app: FastifyInstance;

beforeAll(async () => {
  app = await createBaseApp({ config: readConfig({}), logger: createLogger('silent') });
  app.get('/things/:thing', () => 'a thing');
  app.put('/things/:thing', () => 'a new thing');
  app.post(
    '/things',
    { schema: { querystring: { type: 'object', additionalProperties: true } } },
    () => 'posted',
  );
  app.get('/files/*', () => 'a file');
  app.refuseOtherMethods();
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => app.close());

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function raw(bytes: string): Promise<RawAnswer> {
  const answer = await askRaw(app.server, bytes);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [status = '', ...fields] = head.split('\r\n');
  const headers = Object.fromEntries(
    fields.map((field) => [field.split(': ')[0]!.toLowerCase(), field.split(': ').slice(1).join(': ')]),
  );
  return { status: Number(status.split(' ')[1]), headers, body };
}

function expectProblem(answer: RawAnswer, status: number, code: string): void {
  expect(answer).toMatchObject({
    status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      'content-length': String(Buffer.byteLength(answer.body)),
      'cache-control': 'no-store',
      connection: 'close',
    },
  });
  expect(JSON.parse(answer.body)).toMatchObject({ status, code });
}

test.each([
  ['POST', '/things/1', 'GET, HEAD, PUT'],
  ['DELETE', '/things/1', 'GET, HEAD, PUT'],
  ['GET', '/things', 'POST'],
  ['TRACE', '/things', 'POST'],
  ['OPTIONS', '/things?a=b', 'POST'],
])('%s %s is not allowed, and the answer says what is', async (method, url, allow) => {
  const headers = { 'content-type': 'application/x-unknown' };
  const answer = await ask(app.server, { method, url, headers, payload: method === 'POST' ? 'x' : '' });
  expect(answer.headers).toMatchObject({
    allow,
    'content-type': 'application/problem+json; charset=utf-8',
  });
  expect(answer.json()).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED', detail: `Use ${allow}.` });
});

test('a path that does not exist is not found, by any method', async () => {
  for (const method of ['GET', 'POST', 'DELETE']) {
    const answer = await ask(app.server, { method, url: '/other' });
    expect(answer.json()).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect(answer.headers['allow']).toBeUndefined();
  }
});

test('an address above 8 KiB is too long, on a path that exists or not', async () => {
  for (const path of ['/things', '/other']) {
    const end = ' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    expectProblem(await raw(`POST ${path}?${'x'.repeat(8_192)}${end}`), 414, 'URI_TOO_LONG');
    const longest = await raw(`POST ${path}?${'x'.repeat(8_192 - path.length - 1)}${end}`);
    expect(longest.status).toBe(path === '/things' ? 200 : 404);
  }
});

test.each([
  ['one header', `X-Filler: ${'x'.repeat(20_000)}\r\n`],
  ['many headers', Array.from({ length: 1_000 }, (_, at) => `X-${at}: ${'x'.repeat(20)}\r\n`).join('')],
])('headers above 16 KiB are refused: %s', async (_what, headers) => {
  expectProblem(await raw(`POST /things HTTP/1.1\r\nHost: x\r\n${headers}\r\n`), 431, 'HEADERS_TOO_LARGE');
});

test('an address and headers above 16 KiB are refused although the address alone is too long', async () => {
  expectProblem(
    await raw(`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
    431,
    'HEADERS_TOO_LARGE',
  );
});

test.each([
  ['not HTTP', 'hello\r\n\r\n'],
  ['an unknown method', 'BREW /things HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a length that is not a number', 'POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n'],
  [
    'two lengths',
    'POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
])('%s is a bad request', async (_what, bytes) => {
  expectProblem(await raw(bytes), 400, 'BAD_REQUEST');
});

test.each([
  ['headers', 'POST /things HTTP/1.1\r\nHost: x\r\nX-Slow'],
  [
    'a body',
    'POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":',
  ],
])('%s that do not come to their end in time end with 408', async (_what, bytes) => {
  const { requestTimeout, headersTimeout } = app.server;
  expect({ requestTimeout, headersTimeout }).toEqual({ requestTimeout: 15_000, headersTimeout: 15_000 });
  Object.assign(app.server, { requestTimeout: 100, headersTimeout: 100 });
  try {
    expectProblem(await raw(bytes), 408, 'REQUEST_TIMEOUT');
  } finally {
    Object.assign(app.server, { requestTimeout, headersTimeout });
  }
});

test('a client that still sends gets the answer, and the connection ends', async () => {
  const answer = await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Filler: ${'x'.repeat(3_000_000)}`);
  expectProblem(answer, 431, 'HEADERS_TOO_LARGE');
});
