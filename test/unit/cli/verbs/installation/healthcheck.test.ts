import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '../../../../../src/dev/services/free-port';
import { verb } from '../../../../../src/cli/verbs/installation/healthcheck';

let server: Server;
let port: string;
let unused: string;
/** What the process answers, by path. */
let answers: Record<string, { status: number; body: unknown }>;
const before = { ...process.env };
let printed: string;

beforeEach(async () => {
  answers = { '/healthz': { status: 200, body: { alive: true } } };
  server = createServer((request, response) => {
    const { status, body } = answers[request.url!] ?? { status: 404, body: {} };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = String((server.address() as AddressInfo).port);
  unused = String(await freePort());
  printed = '';
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});

afterEach(async () => {
  jest.restoreAllMocks();
  process.env = { ...before };
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const check = (...words: string[]): Promise<unknown> => verb().parseAsync(words, { from: 'user' });

test.each(['127.0.0.1', '0.0.0.0'])('a process that listens on %s is asked on the loopback', async (host) => {
  process.env['TALLYMAN_HEALTH_PORT'] = port;
  process.env['TALLYMAN_HEALTH_HOST'] = host;
  await check();
  expect(printed).toBe(`http://127.0.0.1:${port}/healthz answers 200.\n`);
});

test.each([undefined, '0'])('the setting is needed: %j', async (value) => {
  delete process.env['TALLYMAN_HEALTH_PORT'];
  if (value !== undefined) process.env['TALLYMAN_HEALTH_PORT'] = value;
  await expect(check()).rejects.toMatchObject({
    code: 'BAD_CONFIG',
    message: expect.stringMatching(/^TALLYMAN_HEALTH_PORT /),
  });
});

test("nothing that listens is not healthy, and the customers' port is not asked", async () => {
  process.env['TALLYMAN_HEALTH_PORT'] = unused;
  process.env['TALLYMAN_PORT'] = port;
  await expect(check()).rejects.toMatchObject({
    code: 'NOT_HEALTHY',
    message: `Nothing listens on 127.0.0.1:${unused}.`,
  });
});

test('a process that is not ready is alive; --ready reports why it is not ready', async () => {
  process.env['TALLYMAN_HEALTH_PORT'] = port;
  const problems = [{ code: 'STORE_AWAY', subject: 'Redis', detail: 'no answer' }];
  answers['/readyz'] = { status: 503, body: { ready: false, problems } };
  await check();
  await expect(check('--ready')).rejects.toMatchObject({
    code: 'NOT_HEALTHY',
    message: expect.stringContaining('answers 503. STORE_AWAY Redis: no answer'),
  });
});

test('a process that answers 404 there is not healthy', async () => {
  process.env['TALLYMAN_HEALTH_PORT'] = port;
  delete answers['/healthz'];
  await expect(check()).rejects.toMatchObject({ code: 'NOT_HEALTHY', fields: { url: expect.any(String) } });
});

test('--json prints what the process answers', async () => {
  process.env['TALLYMAN_HEALTH_PORT'] = port;
  await check('--json');
  expect(JSON.parse(printed)).toEqual({
    url: `http://127.0.0.1:${port}/healthz`,
    status: 200,
    body: { alive: true },
  });
});
