import { openKafka } from '../../../../src/kafka/client';
import { createPublisher } from '../../../../src/kafka/producer';
import { readRange } from '../../../../src/kafka/read-range';
import { compileSchema } from '../../../../src/lib/schema';
import { testBrokers } from '../../../kit/services';
import { installation } from '../../../kit/tallyman';

const nowMs = Date.now();
const month = new Date(nowMs).toISOString().slice(0, 7);

function event(id: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    specversion: '1.0',
    id,
    source: '/sfu',
    type: 'usage.session.v1',
    subject: 'acme',
    time: new Date(nowMs).toISOString(),
    data: { service: 'webrtc', durationMs: 60_000 },
    ...changes,
  };
}

test('malformed input of every kind lies in the dead letters with its reason, the rest is counted', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '1', '--timestamps', 'create');
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const bad: [string, Buffer | null][] = [
    ['too_large', Buffer.alloc(1_048_577, 0x20)],
    ['malformed_json', null],
    ['malformed_json', Buffer.alloc(0)],
    ['malformed_json', Buffer.from([0x22, 0xff, 0x22])],
    ['malformed_json', Buffer.from('{')],
    ['schema_violation', json(event('x', { subject: undefined }))],
    ['wrong_type', json(event('x', { type: 'usage.agent.v1' }))],
    ['schema_violation', json(event('x', { data: { service: 'fax', durationMs: 1 } }))],
    [
      'negative_duration',
      json(
        event('x', {
          data: { service: 'webrtc', startedAt: '2026-01-01T00:01:00Z', endedAt: '2026-01-01T00:00:00Z' },
        }),
      ),
    ],
    ['from_the_future', json(event('x', { time: new Date(nowMs + 3_700_000).toISOString() }))],
    ['too_old', json(event('x', { time: new Date(nowMs - 401 * 86_400_000).toISOString() }))],
  ];
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  const topic = `${tallyman.prefix}.usage.session`;
  for (const [index, [, value]] of bad.entries()) {
    await publisher.publish(topic, [
      { key: 'acme', value: json(event(`good-${index}`)), timestampMs: nowMs },
      {
        key: Buffer.from([0xff, index]),
        value,
        headers: { note: 'text', raw: Buffer.from([0xfe]) },
        timestampMs: nowMs,
      },
    ]);
  }
  // Once corrected, its id counts: a dead letter takes no identity.
  await publisher.publish(topic, [{ key: 'acme', value: json(event('x')), timestampMs: nowMs }]);
  await publisher.close();
  await client.close();
  await tallyman.ok('consume', '--until-caught-up');

  const { totals } = await tallyman.json<{ totals: unknown }>('totals', 'acme', '--month', month);
  expect(totals).toEqual({ 'session.webrtc': String((bad.length + 1) * 60) });
  const { deadLetters } = await tallyman.json<{ deadLetters: Record<string, unknown>[] }>(
    'dead-letters',
    'list',
  );
  expect(deadLetters.map(({ reason }) => reason)).toEqual(bad.map(([reason]) => reason));
  const valid = compileSchema('dead-letter.v1.json');
  for (const [index, letter] of deadLetters.entries()) {
    expect(valid(letter) ? [] : valid.errors).toEqual([]);
    const value = bad[index]![1];
    expect(letter).toMatchObject({
      topic,
      partition: 0,
      offset: String(index * 2 + 1),
      timestamp: nowMs,
      key: { base64: Buffer.from([0xff, index]).toString('base64') },
      value: value === null ? null : value.subarray(0, index === 0 ? 65_536 : undefined).toString('base64'),
      headers: { note: 'text', raw: { base64: Buffer.from([0xfe]).toString('base64') } },
    });
  }
});

interface Replay {
  readonly selected: number;
  readonly replayed: number;
  readonly replayedBefore: number;
  readonly refused: { place: string; reason: string }[];
  readonly incomplete: { place: string }[];
}

interface Listing {
  readonly count: number;
  readonly replayed: number;
  readonly byReason: Record<string, number>;
  readonly deadLetters: { reason: string; replayedAt?: string }[];
}

test('a replay publishes again what is corrected, once, and says what would still be refused', async () => {
  const strict = { TALLYMAN_FUTURE_LIMIT: '0s' };
  const tallyman = installation(strict);
  await tallyman.ok('init', '--partitions', '2', '--timestamps', 'create');
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  const topic = `${tallyman.prefix}.usage.session`;
  const value = (changes: Record<string, unknown>): Buffer =>
    Buffer.from(JSON.stringify(event('early', changes)));
  // Refused because the producer's clock was behind: an hour later it is good, if the record is
  // stamped again.
  const early = { time: new Date(nowMs).toISOString() };
  const records = [
    {
      key: 'acme',
      value: value(early),
      timestampMs: nowMs - 3_600_000,
      headers: { trace: Buffer.from([0xfe]), many: ['a', 'b'] },
    },
    { key: Buffer.from([0xff]), value: value({ ...early, id: 'two' }), timestampMs: nowMs - 3_600_000 },
    { key: 'acme', value: Buffer.from('{'), timestampMs: nowMs },
    { key: 'acme', value: Buffer.alloc(1_048_577, 0x20), timestampMs: nowMs },
  ];
  await publisher.publish(
    topic,
    records.map((record) => ({ ...record, partition: 1 })),
  );
  await publisher.close();
  await tallyman.ok('consume', '--until-caught-up');
  const list = (...words: string[]): Promise<Listing> => tallyman.json('dead-letters', 'list', ...words);
  expect(await list()).toMatchObject({
    count: 4,
    replayed: 0,
    byReason: { from_the_future: 2, malformed_json: 1, too_large: 1 },
  });
  expect((await list('--key', 'acme', '--reason', 'from_the_future')).count).toBe(1);
  expect((await list('--topic', 'usage.agent')).count).toBe(0);
  expect((await list('--since', new Date(nowMs).toISOString())).count).toBe(2);
  expect(await list('--until', new Date(nowMs).toISOString(), '--limit', '1')).toMatchObject({
    count: 2,
    deadLetters: [{}],
  });

  const replay = (...words: string[]): Promise<Replay> => tallyman.json('dead-letters', 'replay', ...words);
  const rehearsal = await replay('--dry-run');
  expect(rehearsal).toMatchObject({
    selected: 4,
    replayed: 2,
    refused: [{ place: `${topic}/1/2`, reason: 'malformed_json' }],
    incomplete: [{ place: `${topic}/1/3` }],
  });
  const totals = async (): Promise<unknown> =>
    (await tallyman.json<{ totals: unknown }>('totals', 'acme', '--month', month)).totals;
  await tallyman.ok('consume', '--until-caught-up');
  expect(await totals()).toEqual({});

  expect(await replay(`${topic}/1/0`)).toMatchObject({ selected: 1, replayed: 1 });
  expect(await replay('--reason', 'from_the_future')).toMatchObject({
    selected: 2,
    replayed: 1,
    replayedBefore: 1,
  });
  expect(await replay()).toMatchObject({ selected: 4, replayed: 0, replayedBefore: 2 });
  expect((await list()).replayed).toBe(2);
  // The same bytes, key and headers in the same partition.
  const published: unknown[] = [];
  for await (const page of readRange(client, { topic, partition: 1, from: 4, to: 6 }))
    published.push(...page);
  expect(published).toMatchObject(
    [0, 1].map((at) => ({
      key: Buffer.from(records[at]!.key),
      value: records[at]!.value,
      headers: { 'tallyman-replayed-from': Buffer.from(`${topic}/1/${at}`) },
    })),
  );
  expect(published[0]).toMatchObject({
    headers: { trace: Buffer.from([0xfe]), many: [Buffer.from('a'), Buffer.from('b')] },
  });
  await client.close();
  await tallyman.ok('consume', '--until-caught-up');
  expect(await totals()).toEqual({ 'session.webrtc': '120' });
  // Replayed once more on purpose, it is a repeat.
  expect(await replay('--again', '--reason', 'from_the_future')).toMatchObject({ selected: 2, replayed: 2 });
  await tallyman.ok('consume', '--until-caught-up');
  expect(await totals()).toEqual({ 'session.webrtc': '120' });
  for (const verb of ['show', 'replay']) {
    const unknown = await tallyman.run(['dead-letters', verb, 'nowhere/0/0']);
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/nowhere\/0\/0.*\[NO_DEAD_LETTER\]/);
  }
});
