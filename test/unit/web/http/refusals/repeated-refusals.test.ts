import type { FastifyInstance } from 'fastify';
import { readConfig } from '../../../../../src/lib/config';
import { createLogger } from '../../../../../src/lib/logger';
import { createBaseApp } from '../../../../../src/web/http/base-app';
import { registerRateLimit } from '../../../../../src/web/http/rate-limit';
import { registerSessions } from '../../../../../src/web/http/sessions';
import { createTokens } from '../../../../../src/web/http/tokens';

const SECRET = 'a secret of this test, longer than 32 bytes';
const PER_MINUTE = 600;
/** Every token that is checked asks whether it was revoked. */
let checked = 0;
const tokens = createTokens(SECRET, () => {
  checked += 1;
  return false;
});
let app: FastifyInstance;

beforeAll(async () => {
  app = await createBaseApp({ config: readConfig({}), logger: createLogger('silent') });
  await registerRateLimit(app);
  registerSessions(app, { tokens, authSecret: SECRET });
  app.get('/things', () => 'a thing');
  app.get('/others', { config: { rateLimit: { max: 2, timeWindow: 60_000 } } }, () => 'another');
});
afterAll(() => app.close());

async function statusOf(url: string, subject: string): Promise<number> {
  const authorization = bearers.get(subject) ?? bearer(subject);
  return (await app.inject({ url, headers: { authorization } })).statusCode;
}

const bearers = new Map<string, string>();
function bearer(subject: string): string {
  const token = `Bearer ${tokens.sign({ subject, expiresAtMs: Date.now() + 60_000 })}`;
  bearers.set(subject, token);
  return token;
}

test('a token that was refused is refused again before it is checked, wherever the same limit counts', async () => {
  // What is not there counts, too.
  await Promise.all(Array.from({ length: PER_MINUTE }, () => statusOf('/nothing', 'noisy')));
  expect(await statusOf('/things', 'noisy')).toBe(429);
  checked = 0;
  expect(await statusOf('/things', 'noisy')).toBe(429);
  expect(await statusOf('/nothing', 'noisy')).toBe(429);
  expect(checked).toBe(0);
  expect(await statusOf('/others', 'noisy')).toBe(200);
  expect(await statusOf('/things', 'quiet')).toBe(200);
}, 60_000);

test('a route with a limit of its own refuses for itself', async () => {
  expect([
    await statusOf('/others', 'greedy'),
    await statusOf('/others', 'greedy'),
    await statusOf('/others', 'greedy'),
    await statusOf('/others', 'greedy'),
    await statusOf('/things', 'greedy'),
  ]).toEqual([200, 200, 429, 429, 200]);
});

test('a repeated refusal has the headers of the first one', async () => {
  const headers = { authorization: bearer('third') };
  const answers = [];
  for (let asked = 0; asked < 4; asked += 1) answers.push(await app.inject({ url: '/others', headers }));
  const [first, again] = answers.slice(-2).map(({ headers: { date: _, ...rest } }) => rest);
  expect(first).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '0' });
  expect(Object.keys(again!).sort()).toEqual(Object.keys(first!).sort());
  expect(Number(again!['retry-after'])).toBeGreaterThan(0);
});
