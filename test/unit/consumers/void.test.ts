import { consumerNames } from '../../../consumers';
import { outsideValidator } from '../../kit/web/outside-validator';
import { decode, event, GOOD_DATA, reasonOf, TIME, type Fields } from '../../kit/usage/usage-events';

/** A void of a good event of a topic. */
function voidOf(topic: string, changes: Fields = {}, attributes: Fields = {}): Fields {
  const { source, id, type, time, data } = event({}, GOOD_DATA[topic]![0], topic);
  return event(
    {
      ...{ id: 'void-1', source: '/desk', type: 'usage.void.v1' },
      data: { source, id, type, time, data, ...changes },
      ...attributes,
    },
    {},
    topic,
  );
}

describe.each(consumerNames)('%s', (topic) => {
  test('a void says what its event said', () => {
    for (const data of GOOD_DATA[topic]!) {
      const told = decode(event({}, data, topic), {}, topic);
      expect(decode(voidOf(topic, { data }), {}, topic)).toEqual({ ...told, isVoid: true });
    }
  });

  test('in binary mode too', () => {
    const { data, ...attributes } = voidOf(topic);
    const headers = Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [`ce_${name}`, Buffer.from(String(value))]),
    );
    expect(decode(data, { headers }, topic)).toEqual(decode(voidOf(topic), {}, topic));
  });
});

test.each<[string, Fields, string]>([
  ['no source', { source: undefined }, 'data.source is missing'],
  ['an empty id', { id: '' }, 'data.id is ""'],
  ['no type', { type: undefined }, 'data.type is missing'],
  ['no time', { time: 'yesterday' }, 'data.time is "yesterday"'],
  ['no data', { data: [] }, 'data.data is a list'],
  ['data in base64', { data: undefined, data_base64: 'e30=' }, 'data.data_base64 is "e30=" and is not taken'],
  ['bad data', { data: { service: 'webrtc' } }, 'in the event to take back, data is an object'],
])('%s is a violation', (_, changes, detail) => {
  const decoded = decode(voidOf('session', changes));
  expect(decoded).toMatchObject({ ok: false, reason: 'schema_violation' });
  expect(decoded.ok ? '' : decoded.detail).toContain(detail);
});

test('a void that is not an object, and one of another topic or of a void, are refused', () => {
  expect(reasonOf(decode(voidOf('session', {}, { data: 'PA_1' })))).toBe('schema_violation');
  expect(reasonOf(decode(voidOf('transfer'), {}, 'session'))).toBe('wrong_type');
  expect(reasonOf(decode(voidOf('session', { type: 'usage.void.v1' })))).toBe('schema_violation');
});

test('a void of a usage that is too long is refused as the usage was', () => {
  expect(
    decode(voidOf('session', { data: { service: 'webrtc', durationMs: 70_000_000_000 } })),
  ).toMatchObject({
    reason: 'implausible',
    detail: expect.stringMatching(/^in the event to take back, data\.durationMs is 70000000000 /) as string,
  });
});

test('the limits of time are for the void: its event may be of any age', () => {
  expect(reasonOf(decode(voidOf('session', { time: '2020-01-01T00:00:00Z' })))).toBe('ok');
  expect(reasonOf(decode(voidOf('session', {}, { time: '2020-01-01T00:00:00Z' })))).toBe('too_old');
  expect(reasonOf(decode(voidOf('session', {}, { time: '2027-01-01T00:00:00Z' })))).toBe('from_the_future');
  expect(TIME.slice(0, 4)).toBe('2026');
});

test('an outside validator takes what is taken here', () => {
  const isGood = outsideValidator('usage.void.v1.json');
  expect(isGood(voidOf('session'))).toBe(true);
  for (const changes of [
    { source: 'a b' },
    { id: 5 },
    { type: 'usage.fax.v1' },
    { time: null },
    { data: null },
  ])
    expect([changes, isGood(voidOf('session', changes))]).toEqual([changes, false]);
});
