import { request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { UsageAnswer } from '../../../schemas/types';
import { readMonthView, readQuotas } from '../../../src/web/pages/month-view';
import { createUsageStreams } from '../../../src/web/api/usage-stream';
import { endSession } from '../../../src/redis/sign-ins';
import { eventually } from '../../kit/services';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

const STREAMS_OF_ONE = 20;
let harness: WebHarness;

beforeAll(async () => {
  harness = await webHarness();
});
afterAll(() => harness.close());

interface OpenStream {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  text(): string;
  readonly ended: Promise<void>;
  hangUp(): void;
}

function open(headers: Record<string, string>, project = 'acme'): Promise<OpenStream> {
  const { port } = harness.app.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const path = `/v1/projects/${project}/usage/stream`;
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (bytes: Buffer) => (text += bytes.toString()));
      const ended = new Promise<void>((done) => answer.once('close', () => done()));
      answer.on('error', () => undefined); // Ours, when we hang up.
      const { statusCode: status, headers: answered } = answer;
      resolve({ status, headers: answered, text: () => text, ended, hangUp: () => void asked.destroy() });
    });
    asked.on('error', reject);
    asked.end();
  });
}

const sessions = (text: string): (string | undefined)[] =>
  [...text.matchAll(/^event: usage\ndata: (.*)\n\n/gm)].map(
    ([, json]) => (JSON.parse(json!) as UsageAnswer).totals['session.webrtc'],
  );

test('sends the usage at once and again when it changes', async () => {
  const stream = await open(harness.bearer({ acme: 'member' }));
  expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  await eventually(() => sessions(stream.text()).length === 1);
  await harness.count({});
  await eventually(() => sessions(stream.text()).at(-1) === '60');
  stream.hangUp();
  await stream.ended;
});

test('one subject opens twenty; who hangs up makes room, and takes no room from others', async () => {
  const headers = harness.bearer({ acme: 'member' }, { subject: 'greedy' });
  const streams = await Promise.all(Array.from({ length: STREAMS_OF_ONE }, () => open(headers)));
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
  const refused = await open(headers);
  expect(refused.status).toBe(429);
  expect(refused.headers['retry-after']).toBe('30');
  const others = await Promise.all([
    open(harness.bearer({ acme: 'member' }, { subject: 'modest' })),
    open(harness.bearer({ small: 'member' }, { subject: 'greedy' }), 'small'),
  ]);
  expect(others.map(({ status }) => status)).toEqual([200, 200]);
  streams[0]!.hangUp();
  const again = await eventually(async () => {
    const stream = await open(headers);
    return stream.status === 200 ? stream : undefined;
  });
  for (const stream of [...streams, ...others, again]) stream.hangUp();
});

test('who leaves before the stream is open keeps no place', async () => {
  const headers = harness.bearer({ acme: 'member' }, { subject: 'hasty' });
  const { port } = harness.app.server.address() as AddressInfo;
  const path = '/v1/projects/acme/usage/stream';
  for (let i = 0; i < 2 * STREAMS_OF_ONE; i += 1) {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false });
    asked.on('error', () => undefined); // Ours, since we hang up.
    await new Promise<void>((sent) => asked.end(() => sent()));
    asked.destroy();
  }
  const streams = await eventually(async () => {
    const opened = await Promise.all(Array.from({ length: STREAMS_OF_ONE }, () => open(headers)));
    if (opened.every(({ status }) => status === 200)) return opened;
    for (const stream of opened) stream.hangUp();
    return undefined;
  });
  for (const stream of streams) stream.hangUp();
});

test('ends with its token', async () => {
  const expiresAtMs = (Math.floor(Date.now() / 1000) + 2) * 1000;
  const stream = await open(harness.bearer({ acme: 'member' }, { expiresAtMs }));
  expect(stream.status).toBe(200);
  await stream.ended;
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAtMs - 5); // Timers may be a little early.
  expect(Date.now()).toBeLessThan(expiresAtMs + 10_000);
});

test('is refused as everything else is', async () => {
  expect((await open({})).status).toBe(401);
  expect((await open(harness.bearer({ acme: 'member' }), 'small')).status).toBe(404);
});

test('watchers share one reader; the last who leaves ends it; closing ends all', async () => {
  const streams = createUsageStreams(harness.web);
  const seen: string[][] = [[], [], []];
  let ends = 0;
  const watch = (i: number): (() => void) =>
    streams.watch('shared', {
      holder: 'someone',
      onUsage: ({ json }) => void seen[i]!.push(json),
      onEnd: () => (ends += 1),
    })!;
  const [first, second] = [watch(0), watch(1)];
  await eventually(() => seen[0]!.length === 1 && seen[1]!.length === 1);
  expect(seen[0]![0]).toBe(seen[1]![0]);
  first();
  await harness.count({ project: 'shared' });
  await eventually(() => seen[1]!.length === 2);
  expect(seen[0]).toHaveLength(1);
  second();
  await harness.count({ project: 'shared' });
  watch(2);
  expect(seen[2]).toEqual([]); // What was read for others is not kept.
  await eventually(() => seen[2]!.length === 1);
  expect((JSON.parse(seen[2]![0]!) as UsageAnswer).totals).toEqual({ 'session.webrtc': '120' });
  streams.close();
  expect(ends).toBe(1);
});

test('with a plan change in the month, reading never fails while events are counted', async () => {
  const plans = [
    { plan: 'build', from: '2026-01-01' },
    { plan: 'ship', from: '2026-07-10' },
  ];
  await harness.set({ project: 'moved', plans });
  let isCounting = true;
  const counting = (async () => {
    for (let i = 0; i < 300; i += 1) await harness.count({ project: 'moved' });
    isCounting = false;
  })();
  let reads = 0;
  while (isCounting) {
    await Promise.all([readQuotas(harness.web, 'moved'), readMonthView(harness.web, 'moved', '2026-07')]);
    reads += 1;
  }
  await counting;
  expect(reads).toBeGreaterThan(10);
  const { quotas } = await readQuotas(harness.web, 'moved');
  expect(quotas.find(({ meters }) => meters.includes('session.webrtc'))).toMatchObject({
    ...{ period: '2026-07-10/2026-07-31', used: '300' },
  });
});

test('a stream ends a few seconds after its session', async () => {
  const cookie = await harness.cookie({ acme: 'member' });
  const stream = await open({ cookie });
  await eventually(() => stream.text().includes('event: usage'));
  await endSession(harness.store, cookie.split('=')[1]!);
  await stream.ended;
  expect((await open({ cookie })).status).toBe(401);
});
