import { describeValue } from '../../../src/lib/text/describe-value';
import { decode, event, TIME, type Fields } from '../../kit/usage/usage-events';

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
    [Buffer.from([0xff]), 'the value is not valid UTF-8'],
    [
      `\ufeff${JSON.stringify(event())}`,
      'the value begins with a byte order mark (EF BB BF), which JSON does not allow',
    ],
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
    [
      event({ data: undefined, data_base64: 'e30=' }),
      'data_base64 is "e30=" and is not taken: data must be a JSON object',
    ],
    [
      event({ data: null, data_base64: 'e30=' }),
      'data_base64 is "e30=" and is not taken: data must be a JSON object',
    ],
    [event({ data: undefined, data_base64: null }), 'data is missing and must be an object'],
    [event({ data: 'e30=', data_base64: 'e30=' }), 'data is "e30=" and must be an object'],
    [
      event({}, { service: 'sip', durationMs: 60_000.25 }),
      `data.durationMs is 60000.25 and ${INTEGER}; null counts as absent`,
    ],
    [
      event({}, { service: 'sip', durationMs: 70_000_000_000 }),
      'data.durationMs is 70000000000 and must be at most 2678400000: are these nanoseconds or microseconds?',
    ],
    [
      event({}, { service: 'sip', startedAt: '0001-01-01T00:00:00Z', endedAt: TIME }),
      `data.startedAt is "0001-01-01T00:00:00Z" and must be at most 2678400000 ms before data.endedAt, "${TIME}": was the start never set?`,
    ],
    [event({}, { durationMs: 5 }), 'data.service is missing'],
    [
      event({}, { service: 'fax', durationMs: 5 }),
      'data.service is "fax" and must be one of ["webrtc","sip","ingress","egress","connector"]',
    ],
    [
      event({}, { service: 'sip', variant: 'eu', durationMs: 5 }),
      'data.variant is "eu" and must be one of ["third_party","us_local","us_toll_free",null]',
    ],
    [
      event({}, { service: 'connector', variant: 'telegram', durationMs: 5 }),
      'data.variant is "telegram" and must be one of ["other","whatsapp",null]',
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
      `data.endedAt is "2026-10-14T09:31:10Z" and must not be before data.startedAt, "${TIME}"`,
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
    expect(detailOf('{"id": NaN}')).toMatch(/^the value is not valid JSON: .*N/);
  });
});

/** Every field that a kind of event reads, with values that it may not have. */
const INTEGERS = [-1, 0.5, 60_000.25, 2 ** 53, 1e300, true, false, '', '007', '1e3', ' 5', '-1', [], [5], {}];
const TIMES = [5, true, '', 'yesterday', '2026-02-30T00:00:00Z', '2026-10-14 09:31:10Z', [], {}];
const NAMES = [5, null, true, '', 'fax', [], {}, '__proto__', 'toString'];
const MODELS = [5, null, true, '', 'a\u0007', 'm'.repeat(129), [], {}];
const FLAGS = [1, 0, 'true', '', [], {}];
const times = { startedAt: '2026-10-14T09:30:00Z', endedAt: TIME };
const WRONG: readonly (readonly [topic: string, data: Fields, field: string, values: readonly unknown[]])[] =
  [
    ['session', { service: 'webrtc', durationMs: 5 }, 'service', NAMES],
    ...['sip', 'ingress', 'egress'].map(
      (service) =>
        ['session', { service, durationMs: 5 }, 'variant', NAMES.filter((name) => name !== null)] as const,
    ),
    ...(
      [
        ['session', { service: 'webrtc' }],
        ['session', { service: 'egress', variant: 'track' }],
        ['agent', { recorded: true }],
        ['inference', { kind: 'stt', model: 'm' }],
      ] as const
    ).flatMap(
      ([topic, data]) =>
        [
          [topic, data, 'durationMs', INTEGERS],
          [topic, { ...data, ...times }, 'durationMs', INTEGERS],
          [topic, { ...data, startedAt: null }, 'durationMs', INTEGERS],
          ...['startedAt', 'endedAt'].flatMap(
            (field) =>
              [
                [topic, { ...data, ...times }, field, TIMES],
                [topic, { ...data, durationMs: 5 }, field, TIMES],
                [topic, data, field, TIMES],
              ] as const,
          ),
        ] as const,
    ),
    ['transfer', { service: 'sip', direction: 'upstream', bytes: 5 }, 'service', NAMES],
    ['transfer', { service: 'sip', direction: 'upstream', bytes: 5 }, 'direction', NAMES],
    ['transfer', { service: 'sip', direction: 'upstream' }, 'bytes', [...INTEGERS, null]],
    ['agent', { durationMs: 5 }, 'recorded', FLAGS],
    ['agent', { durationMs: 5 }, 'observabilityEvents', INTEGERS],
    ['inference', { model: 'm', durationMs: 5 }, 'kind', NAMES],
    ['inference', { kind: 'stt', durationMs: 5 }, 'model', MODELS],
    ['inference', { kind: 'tts', characters: 5 }, 'model', MODELS],
    ['inference', { kind: 'tts', model: 'm' }, 'characters', [...INTEGERS, null]],
    ...['inputTokens', 'outputTokens'].map(
      (field) =>
        [
          'inference',
          { kind: 'llm', model: 'm', inputTokens: 5, outputTokens: 5 },
          field,
          [...INTEGERS, null],
        ] as const,
    ),
    [
      'inference',
      { kind: 'llm', model: 'm', inputTokens: 5, outputTokens: 5 },
      'cachedInputTokens',
      INTEGERS,
    ],
  ];

test.each(WRONG)('a wrong field is the one that is named: %s %j %s', (topic, data, field, values) => {
  for (const value of values) {
    const detail = detailOf(event({}, { ...data, [field]: value }, topic), topic);
    expect(detail).toMatch(new RegExp(`^data\\.${field} is `));
    expect(detail.startsWith(`data.${field} is ${describeValue(value)} and must `)).toBe(true);
  }
});

test('a number beyond all numbers is shown as what it is read as', () => {
  const text = JSON.stringify(event({}, { service: 'webrtc', durationMs: 5 })).replace(':5}', ':1e400}');
  expect(detailOf(text)).toMatch(/^data\.durationMs is Infinity and must /);
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
