import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { createLogger } from '../../../src/lib/logger';
import { readCsv } from '../../../src/lib/text/csv-reader';
import type { UsageAnswer } from '../../../schemas/types';
import type { HttpAnswer } from '../../kit/web/http-client';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

/** How answers are exchanged: compressed, as CSV, and with scripts of other origins. */

const ORIGIN = 'https://app.example.com';
let harness: WebHarness;

beforeAll(async () => {
  harness = await webHarness(createLogger('silent'), {
    TALLYMAN_CORS_ORIGINS: `${ORIGIN}, http://localhost:3000`,
  });
  await harness.count(
    { usages: [{ meter: 'agent.session', quantity: '120' }] },
    { day: '2026-07-14', usages: [{ meter: 'inference.stt', model: '=HYPERLINK("x")', quantity: '7' }] },
    { day: '2026-07-14', usages: [{ meter: 'transfer.downstream', quantity: '10000000' }] },
  );
});
afterAll(() => harness.close());

const admin = (): Record<string, string> => harness.bearer({ acme: 'admin' });
const get = (url: string, headers: Record<string, string> = {}): Promise<HttpAnswer> =>
  harness.inject({ url, headers: { ...admin(), ...headers } });

describe('compression', () => {
  test.each([
    ['br', 'gzip, br', brotliDecompressSync],
    ['gzip', 'gzip', gunzipSync],
  ])('%s packs pages, documents and styles', async (encoding, accepted, unpack) => {
    const page = await get('/projects/acme/billing');
    const style = /href="(\/static\/[^"]+\.css)"/.exec(page.body)![1]!;
    for (const url of ['/projects/acme/billing', '/v1/projects/acme/usage', style]) {
      const plain = await get(url);
      const packed = await get(url, { 'accept-encoding': accepted });
      expect([url, packed.headers['content-encoding']]).toEqual([url, encoding]);
      expect(packed.headers['vary']).toMatch(/accept-encoding/i);
      expect(packed.rawPayload.length).toBeLessThan(plain.rawPayload.length / 2);
      expect(unpack(packed.rawPayload).length).toBe(plain.rawPayload.length);
    }
  });

  test('a tag holds for each encoding, as a weak one', async () => {
    const url = '/openapi.json';
    const plain = (await get(url)).headers.etag!;
    const { etag } = (await get(url, { 'accept-encoding': 'br' })).headers;
    expect(etag).toBe(`W/${plain}`);
    const again = await get(url, { 'accept-encoding': 'br', 'if-none-match': etag! });
    expect([again.statusCode, again.body]).toEqual([304, '']);
  });

  test('fonts, PDFs and small answers are sent as they are', async () => {
    await harness.issue('acme', '2026-06', 'acme-0001');
    const page = await get('/projects/acme/billing');
    const font = /href="(\/static\/[^"]+\.woff2)"/.exec(page.body)![1]!;
    for (const url of [font, '/v1/projects/acme/invoices/acme-2026-06.pdf', '/v1/projects/acme/invoices'])
      expect((await get(url, { 'accept-encoding': 'br' })).headers['content-encoding']).toBeUndefined();
  });

  test('the proof of forms differs on each page, and each of them holds', async () => {
    const cookie = await harness.cookie({ acme: 'admin' });
    const proofOf = async (): Promise<string> => {
      const page = await harness.inject({ url: '/projects/acme/usage', headers: { cookie } });
      return /name="proof" value="([^"]+)"/.exec(page.body)![1]!;
    };
    const [first, second] = [await proofOf(), await proofOf()];
    expect(first).not.toBe(second);
    // No part of it stays the same, since a guess would match that part.
    const alike = [...first].filter((letter, i) => letter === second[i]).length;
    expect(alike).toBeLessThan(first.length / 4);
    const signOut = async (proof: string): Promise<number> => {
      const payload = new URLSearchParams({ proof }).toString();
      const headers = { cookie, 'content-type': 'application/x-www-form-urlencoded' };
      return (await harness.inject({ method: 'POST', url: '/logout', headers, payload })).statusCode;
    };
    for (const bad of ['', 'x', first.slice(1), Buffer.alloc(64).toString('base64url')])
      expect(await signOut(bad)).toBe(403);
    expect(await signOut(first)).toBe(200);
  });
});

describe('scripts of other origins', () => {
  const preflight = (origin: string, url = '/v1/projects/acme/usage'): Promise<HttpAnswer> =>
    harness.inject({
      ...{ method: 'OPTIONS', url },
      headers: {
        ...{ origin, 'access-control-request-method': 'GET' },
        'access-control-request-headers': 'authorization, x-evil, ce-id',
      },
    });

  test('may use the API with a token, if their origin is set', async () => {
    const asked = await preflight(ORIGIN);
    expect(asked.statusCode).toBe(204);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers': 'authorization, ce-id',
      'access-control-max-age': '600',
    });
    for (const url of ['/v1/projects/acme/usage', '/v1/projects/nothing/usage', '/openapi.json']) {
      const answer = await get(url, { origin: 'http://localhost:3000' });
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': 'http://localhost:3000',
        'access-control-expose-headers': 'Content-Disposition, ETag, Link, Retry-After',
      });
      expect(answer.headers.vary).toMatch(/\borigin\b/i);
    }
  });

  test.each([['https://app.example.com.evil.net'], ['http://app.example.com'], ['null'], ['*']])(
    'of %s may not',
    async (origin) => {
      for (const answer of [await preflight(origin), await get('/v1/projects/acme/usage', { origin })]) {
        expect(answer.headers['access-control-allow-origin']).toBeUndefined();
        expect(answer.headers['access-control-allow-methods']).toBeUndefined();
      }
      // A cache must not give the answer for one origin to another.
      expect((await get('/v1/projects/acme/usage', { origin })).headers.vary).toMatch(/\borigin\b/i);
    },
  );

  test('never use a cookie, and never read a page', async () => {
    const cookie = await harness.cookie({ acme: 'admin' });
    const answer = await harness.inject({
      url: '/v1/projects/acme/usage',
      headers: { cookie, origin: ORIGIN },
    });
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    const page = await get('/projects/acme/billing', { origin: ORIGIN });
    expect(page.headers['access-control-allow-origin']).toBeUndefined();
    expect((await preflight(ORIGIN, '/ops/replay')).headers['access-control-allow-origin']).toBeUndefined();
  });

  test('may not by default', async () => {
    const closed = await webHarness();
    try {
      const headers = { ...closed.bearer({ acme: 'admin' }), origin: ORIGIN };
      const answer = await closed.inject({ url: '/v1/projects/acme/usage', headers });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    } finally {
      await closed.close();
    }
  });
});

test('usage by day comes as CSV, and adds up to the totals', async () => {
  const answer = await get('/v1/projects/acme/usage.csv');
  expect(answer.headers['content-disposition']).toBe('attachment; filename="acme-2026-07-usage.csv"');
  const rows: string[][] = [];
  for await (const { fields } of readCsv(
    (async function* () {
      yield await Promise.resolve(answer.body);
    })(),
  ))
    rows.push([...fields]);
  expect(rows).toEqual([
    ['project', 'month', 'day', 'meter', 'model', 'quantity', 'unit'],
    ['acme', '2026-07', '2026-07-14', 'inference.stt', `'=HYPERLINK("x")`, '7', 'second'],
    ['acme', '2026-07', '2026-07-14', 'transfer.downstream', '', '10000000', 'byte'],
    ['acme', '2026-07', '2026-07-15', 'agent.session', '', '120', 'second'],
  ]);
  const { totals } = (await get('/v1/projects/acme/usage')).json<UsageAnswer>();
  expect(Object.values(totals).sort()).toEqual(
    rows
      .slice(1)
      .map(([, , , , , quantity]) => quantity)
      .sort(),
  );
});

test('every path refuses other methods, also one with a scope of its own', async () => {
  for (const [url, allow] of [
    ['/v1/events', 'POST'],
    ['/v1/projects/acme/usage', 'GET, HEAD'],
  ] as const) {
    const answer = await harness.inject({ method: 'DELETE', url, headers: admin() });
    expect([url, answer.statusCode, answer.headers.allow]).toEqual([url, 405, allow]);
  }
});

test('the API is described on a page of its own, without scripts or other servers', async () => {
  const { body, headers } = await harness.inject('/docs');
  const document = (await get('/openapi.json')).json<{
    paths: Record<string, Record<string, { operationId: string }>>;
    components: { schemas: Record<string, object> };
  }>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { operationId }] of Object.entries(methods)) {
      expect(body).toContain(`<code>${method.toUpperCase()} ${path}</code>`);
      expect(body).toContain(`id="${operationId}"`);
    }
  }
  const ids = new Set([...body.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!));
  for (const name of Object.keys(document.components.schemas)) expect(ids).toContain(`schema-${name}`);
  for (const [, target] of body.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  expect(body).not.toMatch(/<script|https?:\/\/(?!tallyman|localhost|127)[^"]*"/);
  expect(headers['content-security-policy']).toContain("script-src 'self'");
});
