import { openKafka } from '../../src/stream/kafka';
import { createPublisher } from '../../src/stream/producer';
import { compileSchema } from '../../src/schema';
import { testBrokers } from '../support/services';
import { installation } from '../support/tallyman';

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
  await tallyman.ok('init', '--partitions', '1');
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
  // Mended, its id counts: a dead letter takes no identity.
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
