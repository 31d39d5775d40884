import { decode, event, LIMITS, reasonOf, RECORD_MS, TIME, type Fields } from '../../kit/usage/usage-events';

describe('every reason to refuse an event', () => {
  const padded = (bytes: number): string => {
    const text = JSON.stringify(event({ padding: '' }));
    return text.replace('"padding":""', `"padding":"${'x'.repeat(bytes - text.length)}"`);
  };
  const timed = (data: Fields): Fields => event({}, { service: 'webrtc', ...data });
  const deep = (field: string): string =>
    JSON.stringify(event({ [field]: 0 })).replace(
      `"${field}":0`,
      `"${field}":${'['.repeat(200_000)}${']'.repeat(200_000)}`,
    );

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
    ['half a value', 'malformed_json', '{"specversion":"1.0"'],
    ['two values', 'malformed_json', '{}{}'],
    ['a comment', 'malformed_json', `/**/${JSON.stringify(event())}`],
    ['blanks only', 'malformed_json', ' \n'],
    ['a surrogate in UTF-8', 'malformed_json', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['UTF-16', 'malformed_json', Buffer.from(JSON.stringify(event()), 'utf16le')],
    ['lists without end', 'malformed_json', '['.repeat(1_000_000)],
    ['lists 500,000 deep', 'schema_violation', '['.repeat(500_000) + ']'.repeat(500_000)],
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
    ['id of 256 halves of surrogate pairs', 'ok', event({ id: '\ud800'.repeat(256) })],
    ['id of 257 halves of surrogate pairs', 'schema_violation', event({ id: '\udfff'.repeat(257) })],
    ['id of control characters', 'ok', event({ id: '\u0000\n' })],
    ['id a number', 'schema_violation', event({ id: 5 })],
    ['id an object 200,000 deep', 'schema_violation', deep('id')],
    ['an unknown field 200,000 deep', 'ok', deep('padding')],
    ['source empty', 'schema_violation', event({ source: '' })],
    ['source with a no-break space', 'ok', event({ source: '/a\u00a0b' })],
    ['source with DEL', 'schema_violation', event({ source: '/a\u007f' })],
    ['specversion a number', 'schema_violation', JSON.stringify(event()).replace('"1.0"', '1.0')],
    ['subject empty', 'schema_violation', event({ subject: '' })],
    ['subject with a letter of another script', 'schema_violation', event({ subject: 'ácme' })],
    ['subject that begins with a dash', 'ok', event({ subject: '-acme.' })],
    ['fields of the name ok and reason', 'ok', event({ ok: false, reason: 'too_large', detail: 'x' })],
    [
      'fields of the name ok and reason in the data',
      'ok',
      timed({ durationMs: 1, ok: false, reason: 'too_old' }),
    ],
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
    ['time as an object', 'schema_violation', event({ time: { seconds: 0, nanos: 0 } })],
    ['leap second', 'schema_violation', event({ time: '2026-06-30T23:59:60Z' })],
    ['February 30', 'schema_violation', event({ time: '2026-02-30T00:00:00Z' })],
    ['type missing', 'schema_violation', event({ type: undefined })],
    ['type a number', 'schema_violation', event({ type: 1 })],
    ["another topic's type", 'wrong_type', event({ type: 'usage.agent.v1' })],
    ['attributes go before the type', 'schema_violation', event({ type: 'usage.agent.v1', id: null })],
    ['the type goes before the data', 'wrong_type', event({ type: 'usage.agent.v1', data: null })],
    ['no data', 'schema_violation', event({ data: undefined })],
    ['data a list', 'schema_violation', event({ data: [] })],
    ['data null', 'schema_violation', event({ data: null })],
    ['data a text', 'schema_violation', event({ data: '{"service":"webrtc","durationMs":1}' })],
    ['data_base64 beside data', 'ok', event({ data_base64: 'e30=' })],
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
    [
      'duration -0',
      'ok',
      JSON.stringify(timed({ durationMs: 1 })).replace('"durationMs":1', '"durationMs":-0'),
    ],
    ['duration ""', 'schema_violation', timed({ durationMs: '' })],
    ['duration "5.0"', 'schema_violation', timed({ durationMs: '5.0' })],
    ['duration " 5"', 'schema_violation', timed({ durationMs: ' 5' })],
    ['duration "5" and a newline', 'schema_violation', timed({ durationMs: '5\n' })],
    ['duration in digits of another script', 'schema_violation', timed({ durationMs: '٣' })],
    ['duration true', 'schema_violation', timed({ durationMs: true })],
    ['duration [5]', 'schema_violation', timed({ durationMs: [5] })],
    [
      'a bad duration beside two good times',
      'schema_violation',
      timed({ startedAt: TIME, endedAt: TIME, durationMs: -1 }),
    ],
    ['two times and a duration of null', 'ok', timed({ startedAt: TIME, endedAt: TIME, durationMs: null })],
    ['all three null', 'schema_violation', timed({ startedAt: null, endedAt: null, durationMs: null })],
    ['a time that is a number', 'schema_violation', timed({ startedAt: 1, endedAt: TIME })],
    [
      'duration 1e400',
      'schema_violation',
      JSON.stringify(timed({ durationMs: 1 })).replace('"durationMs":1', '"durationMs":1e400'),
    ],
    [
      'duration 4.9999999999999999999, which JSON reads as 5',
      'ok',
      JSON.stringify(timed({ durationMs: 1 })).replace(
        '"durationMs":1',
        '"durationMs":4.9999999999999999999',
      ),
    ],
    ['duration 1.5', 'schema_violation', timed({ durationMs: 1.5 })],
    ['duration 2^53-1, an integer but too long', 'implausible', timed({ durationMs: 9007199254740991 })],
    ['duration 2^53', 'schema_violation', timed({ durationMs: 9007199254740992 })],
    ['duration "2^53-1"', 'implausible', timed({ durationMs: '9007199254740991' })],
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
    ['31 days', 'ok', timed({ durationMs: LIMITS.durationMs })],
    ['31 days as text', 'ok', timed({ durationMs: String(LIMITS.durationMs) })],
    ['31 days and a millisecond', 'implausible', timed({ durationMs: LIMITS.durationMs + 1 })],
    ['70 s in nanoseconds', 'implausible', timed({ durationMs: 70_000_000_000 })],
    ['31 days between two times', 'ok', timed({ startedAt: '2026-09-13T09:31:10.2Z', endedAt: TIME })],
    [
      '31 days and a nanosecond',
      'implausible',
      timed({ startedAt: '2026-09-13T09:31:10.199999999Z', endedAt: TIME }),
    ],
    [
      'a start that was never set',
      'implausible',
      timed({ startedAt: '0001-01-01T00:00:00Z', endedAt: TIME }),
    ],
    [
      'the longest that can be said',
      'implausible',
      timed({ startedAt: '0000-01-01T00:00:00Z', endedAt: '9999-12-31T23:59:59Z' }),
    ],
    [
      'a duration that would be too long beside two times, which win',
      'ok',
      timed({ startedAt: TIME, endedAt: TIME, durationMs: 9007199254740991 }),
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
    ['direction missing', 'schema_violation', 'transfer', { service: 'sip', bytes: 1 }],
    ['bytes null', 'schema_violation', 'transfer', { service: 'sip', direction: 'upstream', bytes: null }],
    ['bytes 2^53', 'schema_violation', 'transfer', { service: 'sip', direction: 'upstream', bytes: 2 ** 53 }],
    [
      'a variant of a transfer',
      'ok',
      'transfer',
      { service: 'sip', variant: 5, direction: 'upstream', bytes: 0 },
    ],
    ['agent without duration', 'schema_violation', 'agent', { recorded: true }],
    ['recorded 1', 'schema_violation', 'agent', { durationMs: 1, recorded: 1 }],
    ['observabilityEvents 0.5', 'schema_violation', 'agent', { durationMs: 1, observabilityEvents: 0.5 }],
    ['recorded as text', 'schema_violation', 'agent', { durationMs: 1, recorded: 'yes' }],
    ['recorded null', 'ok', 'agent', { durationMs: 1, recorded: null, observabilityEvents: null }],
    ['no kind', 'schema_violation', 'inference', { model: 'm' }],
    ['unknown kind', 'schema_violation', 'inference', { kind: 'vad', model: 'm', durationMs: 1 }],
    ['kind toString', 'schema_violation', 'inference', { kind: 'toString', model: 'm', durationMs: 1 }],
    ['stt without duration', 'schema_violation', 'inference', { kind: 'stt', model: 'm', characters: 1 }],
    [
      'fields of other kinds are ignored',
      'ok',
      'inference',
      { kind: 'tts', model: 'm', characters: 1, inputTokens: 'x', durationMs: -1 },
    ],
    ['no inputTokens', 'schema_violation', 'inference', { kind: 'llm', model: 'm', outputTokens: 1 }],
    ['no outputTokens', 'schema_violation', 'inference', { kind: 'llm', model: 'm', inputTokens: 1 }],
    ['model empty', 'schema_violation', 'inference', { kind: 'tts', model: '', characters: 1 }],
    ['model of 128 code points', 'ok', 'inference', { kind: 'tts', model: '😀'.repeat(128), characters: 1 }],
    ['model of 129', 'schema_violation', 'inference', { kind: 'tts', model: 'm'.repeat(129), characters: 1 }],
    ['model with blanks', 'ok', 'inference', { kind: 'tts', model: ' a b ', characters: 1 }],
    ['model __proto__', 'ok', 'inference', { kind: 'tts', model: '__proto__', characters: 1 }],
    [
      'as much cached as input',
      'ok',
      'inference',
      { kind: 'llm', model: 'm', inputTokens: '2', cachedInputTokens: 2, outputTokens: 0 },
    ],
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
    expect(reasonOf(decode(event({}, data, consumer), {}, consumer))).toBe(expected);
  });
});

describe('the first rule that is broken is the reason', () => {
  const isGoodData = ({ data }: Fields): boolean => (data as Fields)['durationMs'] === 70_000;
  /** One way or more to break each rule, in the contract's order. */
  const FAULTS: readonly (readonly [reason: string, break_: (event: Fields) => Fields])[][] = [
    [['too_large', (good) => ({ ...good, padding: 'x'.repeat(1_048_576) })]],
    [['malformed_json', (good) => good]], // Text is added after the event, below.
    [['schema_violation', (good) => ({ ...good, subject: '.acme' })]],
    [['wrong_type', (good) => ({ ...good, type: 'usage.agent.v1' })]],
    [
      ['schema_violation', (good) => ({ ...good, data: { service: 'webrtc', durationMs: -1 } })],
      [
        'negative_duration',
        (good) => ({
          ...good,
          data: { service: 'webrtc', startedAt: TIME, endedAt: '2026-10-14T09:31:10.1Z' },
        }),
      ],
    ],
    [
      ['from_the_future', (good) => ({ ...good, time: '2026-10-15T00:00:00Z' })],
      ['too_old', (good) => ({ ...good, time: '2025-01-01T00:00:00Z' })],
    ],
    // Only of data that are otherwise good: those of the faults above stay as they are.
    [
      [
        'implausible',
        (good) => (isGoodData(good) ? { ...good, data: { service: 'webrtc', durationMs: 1e12 } } : good),
      ],
    ],
  ];

  /** Every choice of at most one fault of each rule. */
  const choices = FAULTS.reduce<(readonly (readonly [string, (event: Fields) => Fields])[])[]>(
    (chosen, faults) => chosen.flatMap((choice) => [choice, ...faults.map((fault) => [...choice, fault])]),
    [[]],
  );

  test.each(
    choices.map((choice) => [choice.map(([reason]) => reason).join(', ') || 'nothing', choice] as const),
  )('of an event with %s', (_, choice) => {
    const broken = choice.reduce((good, [, break_]) => break_(good), event());
    const trailing = choice.some(([reason]) => reason === 'malformed_json') ? ' x' : '';
    expect(reasonOf(decode(JSON.stringify(broken) + trailing))).toBe(choice[0]?.[0] ?? 'ok');
  });

  test('data that break two rules: what is missing or wrong goes before a negative duration', () => {
    const negative = { startedAt: TIME, endedAt: '2026-10-14T09:31:10.1Z' };
    expect(reasonOf(decode(event({}, { ...negative, service: 'fax' })))).toBe('schema_violation');
    expect(reasonOf(decode(event({}, { ...negative, recorded: 1 }, 'agent'), {}, 'agent'))).toBe(
      'schema_violation',
    );
  });
});
