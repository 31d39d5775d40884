import { decode, event, TIME, type Fields } from './events';

function detailOf(value: unknown, topic = 'session'): string {
  const decoded = decode(value, {}, topic);
  if (decoded.ok) throw new Error('the event is good');
  return decoded.detail;
}

const INTEGER = 'must be an integer of 0 to 2^53-1, as a number or in decimal digits';
const RFC_3339 = 'must be an RFC 3339 time with an offset and at most 9 digits of a second';

describe('a detail names the field, the value and the rule', () => {
  test.each<[unknown, string]>([
    [null, 'the value is empty'],
    [Buffer.from([0xff]), 'the value is no UTF-8'],
    ['x'.repeat(1_048_577), 'the value is 1048577 bytes and must be at most 1048576'],
    ['[]', 'the event is a list and must be an object'],
    ['"event"', 'the event is "event" and must be an object'],
    [event({ id: undefined }), 'id is missing and must be a string of 1 to 256 code points'],
    [event({ id: 5 }), 'id is 5 and must be a string of 1 to 256 code points'],
    [
      event({ source: '/a b' }),
      'source is "/a b" and must be 1 to 256 characters, no blank and no control character',
    ],
    [
      event({ subject: { id: 'acme' } }),
      'subject is an object and must be a project id: 1 to 128 letters, digits, _, - or ., no . first',
    ],
    [event({ time: '2026-02-30T00:00:00Z' }), `time is "2026-02-30T00:00:00Z" and ${RFC_3339}`],
    [event({ type: 'usage.fax.v1' }), 'type is "usage.fax.v1" and must be "usage.session.v1" on this topic'],
    [event({ data: undefined }), 'data is missing and must be an object'],
    [event({}, { durationMs: 5 }), 'data.service is missing'],
    [
      event({}, { service: 'fax', durationMs: 5 }),
      'data.service is "fax" and must be one of ["webrtc","sip","ingress","egress"]',
    ],
    [
      event({}, { service: 'sip', variant: 'eu', durationMs: 5 }),
      'data.variant is "eu" and must be one of ["third_party","us_local","us_toll_free",null]',
    ],
    [
      event({}, { service: 'sip', startedAt: TIME }),
      'data is an object and must have startedAt and endedAt (both, and they win), or durationMs',
    ],
    [
      event({}, { service: 'sip', durationMs: -5 }),
      `data.durationMs is -5 and ${INTEGER}; null counts as absent`,
    ],
    [
      event({}, { service: 'sip', startedAt: 'now', durationMs: 5 }),
      `data.startedAt is "now" and ${RFC_3339}; null counts as absent`,
    ],
    [
      event({}, { service: 'sip', startedAt: TIME, endedAt: '2026-10-14T09:31:10Z' }),
      `data.endedAt is "2026-10-14T09:31:10Z" and must not lie before data.startedAt, "${TIME}"`,
    ],
    [
      event({ time: '2026-10-14T11:00:00Z' }),
      "time is 2026-10-14T11:00:00.000Z and must be at most 3600000 ms after the record's timestamp, 2026-10-14T09:31:10.200Z",
    ],
    [
      event({ time: '2020-01-01T00:00:00Z' }),
      "time is 2020-01-01T00:00:00.000Z and must be at most 34560000000 ms before the record's timestamp, 2026-10-14T09:31:10.200Z",
    ],
  ])('case %#', (value, detail) => {
    expect(detailOf(value)).toBe(detail);
  });

  test.each<[string, Fields, string]>([
    [
      'transfer',
      { service: 'sip', direction: 'upstream', bytes: '1e3' },
      `data.bytes is "1e3" and ${INTEGER}`,
    ],
    [
      'transfer',
      { service: 'sip', direction: 'upstream', bytes: 2 ** 53 },
      `data.bytes is 9007199254740992 and ${INTEGER}`,
    ],
    ['transfer', { service: 'sip', direction: 'upstream', bytes: true }, `data.bytes is true and ${INTEGER}`],
    ['agent', { durationMs: 5, recorded: 'yes' }, 'data.recorded is "yes" and must be boolean or null'],
    ['inference', { kind: 'vad', model: 'm' }, 'data.kind is "vad" and must be one of ["stt","llm","tts"]'],
    ['inference', { kind: 'tts', model: 'm' }, 'data.characters is missing'],
    [
      'inference',
      { kind: 'llm', model: 'm', inputTokens: 1, cachedInputTokens: '2', outputTokens: 1 },
      'data.cachedInputTokens is 2 and must be at most data.inputTokens, 1',
    ],
  ])('%s %j', (topic, data, detail) => {
    expect(detailOf(event({}, data, topic), topic)).toBe(detail);
  });

  test('JSON that is none: says where', () => {
    expect(detailOf('{"id": NaN}')).toMatch(/^the value is no JSON: .*N/);
  });
});

test('a detail is short and well-formed whatever was sent', () => {
  const long = [
    'x'.repeat(100_000),
    '\u0000'.repeat(100_000),
    '😀'.repeat(100_000),
    '\ud800'.repeat(10_000),
    '"'.repeat(100_000),
  ];
  const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
  const values: unknown[] = [
    ...long.flatMap((text) => [
      text,
      event({ [text.slice(0, 200)]: 1, id: undefined }),
      event({ id: text }),
      event({ type: text }),
      event({ time: text }),
      event({}, { service: text }),
      event({}, { service: 'webrtc', durationMs: text }),
    ]),
    JSON.stringify(event({ id: 0 })).replace('"id":0', `"id":${deep}`),
    JSON.stringify(event({ data: 0 })).replace('"data":0', `"data":[${deep}]`),
  ];
  for (const value of values) expect(detailOf(value).length).toBeLessThanOrEqual(300);
});
