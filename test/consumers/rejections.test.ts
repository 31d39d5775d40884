import { consumerNamed } from '../../consumers';
import { decodeEvent, type RawMessage } from '../../consumers/decode';

const LIMITS = { futureMs: 3_600_000, pastMs: 400 * 86_400_000 };
const TIME = '2026-10-14T09:31:10.2Z';
const RECORD_MS = Date.parse(TIME);

type Fields = Record<string, unknown>;

function event(changes: Fields = {}, data: Fields = { service: 'webrtc', durationMs: 70_000 }): Fields {
  return {
    specversion: '1.0',
    id: 'PA_1',
    source: '/sfu',
    type: 'usage.session.v1',
    subject: 'acme',
    time: TIME,
    data,
    ...changes,
  };
}

function decode(value: unknown, more: Partial<RawMessage> = {}, consumer = 'session') {
  const bytes =
    Buffer.isBuffer(value) || value === null
      ? value
      : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return decodeEvent(
    consumerNamed(consumer),
    { offset: 7, timestampMs: RECORD_MS, value: bytes, ...more },
    LIMITS,
  );
}

function reasonOf(result: ReturnType<typeof decode>): string {
  return result.ok ? 'ok' : result.reason;
}

describe('every reason to refuse an event', () => {
  const padded = (bytes: number): string => {
    const text = JSON.stringify(event({ padding: '' }));
    return text.replace('"padding":""', `"padding":"${'x'.repeat(bytes - text.length)}"`);
  };
  const timed = (data: Fields): Fields => event({}, { service: 'webrtc', ...data });

  test.each<[string, string, unknown]>([
    ['1,048,576 bytes', 'ok', padded(1_048_576)],
    ['one byte more', 'too_large', padded(1_048_577)],
    ['too large goes before malformed', 'too_large', 'x'.repeat(1_048_577)],
    ['null value', 'malformed_json', null],
    ['empty value', 'malformed_json', ''],
    ['invalid UTF-8', 'malformed_json', Buffer.from([0x22, 0xff, 0x22])],
    ['a byte order mark', 'malformed_json', `\ufeff${JSON.stringify(event())}`],
    ['NaN', 'malformed_json', '{"time":NaN}'],
    ['trailing text', 'malformed_json', `${JSON.stringify(event())} x`],
    ['a number', 'schema_violation', '5'],
    ['null', 'schema_violation', 'null'],
    ['a list', 'schema_violation', '[]'],
    ['no specversion', 'schema_violation', event({ specversion: undefined })],
    ['specversion 0.3', 'schema_violation', event({ specversion: '0.3' })],
    ['id null', 'schema_violation', event({ id: null })],
    ['id empty', 'schema_violation', event({ id: '' })],
    ['id of 256 code points', 'ok', event({ id: '😀'.repeat(256) })],
    ['id of 257 code points', 'schema_violation', event({ id: 'x'.repeat(257) })],
    ['id of 257 code points in 514 units', 'schema_violation', event({ id: '😀'.repeat(257) })],
    ['id a number', 'schema_violation', event({ id: 5 })],
    ['source with a blank', 'schema_violation', event({ source: '/a b' })],
    ['source of 256 astral code points', 'ok', event({ source: '😀'.repeat(256) })],
    ['source of 257', 'schema_violation', event({ source: 'a'.repeat(257) })],
    ['subject missing', 'schema_violation', event({ subject: undefined })],
    ['subject with a dot first', 'schema_violation', event({ subject: '.acme' })],
    ['subject of 128', 'ok', event({ subject: 'a'.repeat(128) })],
    ['subject of 129', 'schema_violation', event({ subject: 'a'.repeat(129) })],
    ['subject with a newline at its end', 'schema_violation', event({ subject: 'acme\n' })],
    ['subject __proto__', 'ok', event({ subject: '__proto__' })],
    ['subject constructor', 'ok', event({ subject: 'constructor' })],
    ['time without offset', 'schema_violation', event({ time: '2026-10-14T09:31:10' })],
    ['time with a blank', 'schema_violation', event({ time: '2026-10-14 09:31:10Z' })],
    ['time in lower case', 'ok', event({ time: '2026-10-14t09:31:10z' })],
    ['time with ten digits', 'schema_violation', event({ time: '2026-10-14T09:31:10.1234567890Z' })],
    ['leap second', 'schema_violation', event({ time: '2026-06-30T23:59:60Z' })],
    ['February 30', 'schema_violation', event({ time: '2026-02-30T00:00:00Z' })],
    ['type missing', 'schema_violation', event({ type: undefined })],
    ['type a number', 'schema_violation', event({ type: 1 })],
    ["another topic's type", 'wrong_type', event({ type: 'usage.agent.v1' })],
    ['attributes go before the type', 'schema_violation', event({ type: 'usage.agent.v1', id: null })],
    ['the type goes before the data', 'wrong_type', event({ type: 'usage.agent.v1', data: null })],
    ['no data', 'schema_violation', event({ data: undefined })],
    ['data a list', 'schema_violation', event({ data: [] })],
    ['data_base64', 'schema_violation', event({ data: undefined, data_base64: 'e30=' })],
    ['no service', 'schema_violation', event({}, { durationMs: 1 })],
    ['unknown service', 'schema_violation', event({}, { service: 'fax', durationMs: 1 })],
    ['variant of webrtc is ignored', 'ok', timed({ durationMs: 1, variant: 7 })],
    ['unknown variant', 'schema_violation', event({}, { service: 'sip', variant: 'eu', durationMs: 1 })],
    ['variant null', 'ok', event({}, { service: 'sip', variant: null, durationMs: 1 })],
    ['no duration', 'schema_violation', timed({})],
    ['only a start', 'schema_violation', timed({ startedAt: TIME })],
    ['a start and a duration', 'ok', timed({ startedAt: TIME, durationMs: 5 })],
    ['null times and a duration', 'ok', timed({ startedAt: null, endedAt: null, durationMs: 5 })],
    ['a bad start beside a duration', 'schema_violation', timed({ startedAt: 'yesterday', durationMs: 5 })],
    ['duration 0', 'ok', timed({ durationMs: 0 })],
    ['duration -1', 'schema_violation', timed({ durationMs: -1 })],
    ['duration 1.5', 'schema_violation', timed({ durationMs: 1.5 })],
    ['duration 2^53-1', 'ok', timed({ durationMs: 9007199254740991 })],
    ['duration 2^53', 'schema_violation', timed({ durationMs: 9007199254740992 })],
    ['duration "2^53-1"', 'ok', timed({ durationMs: '9007199254740991' })],
    ['duration "2^53"', 'schema_violation', timed({ durationMs: '9007199254740992' })],
    ['duration "007"', 'schema_violation', timed({ durationMs: '007' })],
    [
      'duration 1e3',
      'ok',
      JSON.stringify(timed({ durationMs: 1 })).replace('"durationMs":1', '"durationMs":1e3'),
    ],
    [
      'the last of a field given twice',
      'ok',
      JSON.stringify(timed({ durationMs: 1 })).replace('"durationMs":1', '"durationMs":"x","durationMs":1'),
    ],
    [
      'end before start by a nanosecond',
      'negative_duration',
      timed({ startedAt: '2026-10-14T09:00:00.000000001Z', endedAt: '2026-10-14T09:00:00Z' }),
    ],
    ['an hour ahead', 'ok', event({ time: new Date(RECORD_MS + 3_600_000).toISOString() })],
    ['an hour and a nanosecond ahead', 'from_the_future', event({ time: '2026-10-14T10:31:10.200000001Z' })],
    ['400 days old', 'ok', event({ time: new Date(RECORD_MS - LIMITS.pastMs).toISOString() })],
    [
      '400 days and a millisecond old',
      'too_old',
      event({ time: new Date(RECORD_MS - LIMITS.pastMs - 1).toISOString() }),
    ],
    ['data goes before the time', 'schema_violation', event({ time: '2027-10-14T10:31:10Z', data: {} })],
    [
      'unknown fields',
      'ok',
      event(
        { __proto__x: { a: 1 }, toString: 1 },
        { service: 'webrtc', durationMs: 1, constructor: { deep: [] } },
      ),
    ],
  ])('%s: %s', (_, expected, value) => {
    expect(reasonOf(decode(value))).toBe(expected);
  });

  test.each<[string, string, string, Fields]>([
    ['bytes missing', 'schema_violation', 'transfer', { service: 'webrtc', direction: 'upstream' }],
    ['service of a transfer missing', 'schema_violation', 'transfer', { direction: 'upstream', bytes: 1 }],
    [
      'direction unknown',
      'schema_violation',
      'transfer',
      { service: 'sip', direction: 'sideways', bytes: 1 },
    ],
    ['bytes as text', 'ok', 'transfer', { service: 'sip', direction: 'upstream', bytes: '10000001' }],
    ['recorded as text', 'schema_violation', 'agent', { durationMs: 1, recorded: 'yes' }],
    ['recorded null', 'ok', 'agent', { durationMs: 1, recorded: null, observabilityEvents: null }],
    ['no kind', 'schema_violation', 'inference', { model: 'm' }],
    ['no model', 'schema_violation', 'inference', { kind: 'tts', characters: 1 }],
    [
      'model with a control character',
      'schema_violation',
      'inference',
      { kind: 'tts', model: 'a\u0007', characters: 1 },
    ],
    [
      'more cached than input',
      'schema_violation',
      'inference',
      { kind: 'llm', model: 'm', inputTokens: 1, cachedInputTokens: 2, outputTokens: 1 },
    ],
    [
      'cached null',
      'ok',
      'inference',
      { kind: 'llm', model: 'm', inputTokens: 1, cachedInputTokens: null, outputTokens: 1 },
    ],
    ['characters null', 'schema_violation', 'inference', { kind: 'tts', model: 'm', characters: null }],
  ])('%s: %s', (_, expected, consumer, data) => {
    expect(reasonOf(decode(event({ type: `usage.${consumer}.v1` }, data), {}, consumer))).toBe(expected);
  });

  test('a detail names the field, the value and the rule, and stays short', () => {
    const result = decode(event({}, { service: 'webrtc', durationMs: `9${'9'.repeat(1000)}` }));
    expect(result).toMatchObject({
      reason: 'schema_violation',
      detail: expect.stringContaining('data.durationMs'),
    });
    expect(result.ok ? '' : result.detail.length).toBeLessThan(400);
  });
});

describe('binary mode', () => {
  const headers = {
    ce_specversion: Buffer.from('1.0'),
    ce_id: Buffer.from('PA_1'),
    ce_source: '/sfu',
    ce_type: Buffer.from('usage.session.v1'),
    ce_subject: Buffer.from('acme'),
    ce_time: Buffer.from(TIME),
  };
  const data = { service: 'sip', durationMs: '61000' };

  test('attributes stand in headers, the value is the data', () => {
    expect(decode(data, { headers })).toMatchObject({
      ok: true,
      id: 'PA_1',
      project: 'acme',
      usages: [{ meter: 'session.sip.third_party', used: { seconds: 61, nanos: 0 } }],
    });
  });

  test('of a header given twice the last one counts', () => {
    expect(
      decode(data, { headers: { ...headers, ce_id: [Buffer.from('a'), Buffer.from('b')] } }),
    ).toMatchObject({ id: 'b' });
  });

  test.each([
    ['a header that is no UTF-8', { ...headers, ce_id: Buffer.from([0xff]) }, data],
    ['a header that is missing', { ...headers, ce_subject: undefined }, data],
    ['a version that is not known', { ...headers, ce_specversion: Buffer.from('2.0') }, data],
    ['a value that is no object', headers, 5],
  ])('%s is a schema violation', (_, withHeaders, value) => {
    expect(reasonOf(decode(value, { headers: withHeaders }))).toBe('schema_violation');
  });
});
