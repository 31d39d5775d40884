import fc from 'fast-check';
import type { WorkloadRecord } from '../../../src/oracle/workload';

/**
 * Records on and beyond the edges of every rule. Most are bad in one place only, so that later
 * rules are reached too.
 */

const TIMES_MS = ['2026-10-14T09:31:10.200Z', '2026-08-24T00:00:00Z', '2024-02-29T23:59:59.999Z'].map(
  Date.parse,
);

const goodData: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  'usage.session': [
    { service: 'webrtc', durationMs: 70_000 },
    {
      service: 'sip',
      variant: 'us_local',
      startedAt: '2026-10-01T00:00:00Z',
      endedAt: '2026-10-01T00:01:00Z',
    },
    { service: 'egress', durationMs: '60000' },
  ],
  'usage.transfer': [{ service: 'ingress', direction: 'downstream', bytes: 10_000_001 }],
  'usage.agent': [
    { recorded: true, observabilityEvents: '12', durationMs: 1 },
    { startedAt: '2026-10-01T00:00:00.999999999Z', endedAt: '2026-10-01T00:02:00.999999999Z' },
  ],
  'usage.inference': [
    { kind: 'stt', model: 'deepgram/nova-3', durationMs: 1_001 },
    { kind: 'llm', model: 'openai/gpt-5', inputTokens: 100, cachedInputTokens: 40, outputTokens: '7' },
    { kind: 'tts', model: 'cartesia/sonic', characters: 33 },
  ],
};
const topics = Object.keys(goodData);
const dataFields = [
  ...new Set(Object.values(goodData).flatMap((all) => all.flatMap((data) => Object.keys(data)))),
  'unknown',
  '__proto__',
  'constructor',
];
const attributeNames = [
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'data',
  'data_base64',
  '__proto__',
];

/** Stands for JSON that JSON.stringify cannot write. */
class Raw {
  constructor(readonly json: string) {}
}

const oneOf = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

/** Parts of a timestamp, one in a few of them wrong. */
const timestamp = fc
  .tuple(
    oneOf('2026', '2024', '1969', '1970', '1900', '2000', '0000', '9999', '26', '+2026'),
    fc.oneof({ weight: 4, arbitrary: oneOf('02', '10', '12') }, oneOf('00', '13', '1')),
    fc.oneof({ weight: 4, arbitrary: oneOf('01', '14', '28', '29', '30', '31') }, oneOf('00', '32')),
    fc.oneof({ weight: 5, arbitrary: oneOf('T', 't') }, oneOf(' ', '', '_')),
    fc.oneof({ weight: 5, arbitrary: oneOf('00:00:00', '23:59:59') }, oneOf('24:00:00', '23:60:00', '23:59:60', '9:00:00', '09:00')),
    fc.oneof({ weight: 4, arbitrary: oneOf('', '.0', '.5', '.999999999', '.000000001') }, oneOf('.', ',5', '.0000000001')),
    fc.oneof(
      { weight: 4, arbitrary: oneOf('Z', 'z', '+00:00', '-00:00', '+05:30', '-23:59', '+23:59') },
      oneOf('', '+24:00', '+00:60', '+0530', '+05', 'UTC', 'Z '),
    ),
  )
  .map(([year, month, day, separator, clock, fraction, offset]) =>
    `${year}-${month}-${day}${separator}${clock}${fraction}${offset}`,
  ); // prettier-ignore

const integer = fc.oneof(
  oneOf<unknown>(
    0,
    -0,
    1,
    -1,
    0.5,
    59_999,
    60_000,
    60_001,
    10_000_000,
    31 * 86_400_000,
    31 * 86_400_000 + 1,
    2 ** 53 - 1,
    2 ** 53,
    1e21,
    Number.MIN_VALUE,
  ),
  oneOf<unknown>('0', '-0', '00', '1', '01', '+1', ' 1', '1 ', '1.0', '1e3', '', '٣', '1\n'),
  oneOf<unknown>('9007199254740991', '9007199254740992', '9007199254740993', '9'.repeat(400)),
  oneOf(
    '5.0',
    '1e3',
    '1E-400',
    '-0.0',
    '1e400',
    '9007199254740991.4',
    '9007199254740993',
    '05',
    '0x1',
    '1_000',
  ).map((json) => new Raw(json)),
  fc.maxSafeNat(),
  fc.maxSafeNat().map(String),
);

/**
 * About as long as a text may be, in code points; some take two units each, so that counting the
 * wrong ones shows.
 */
const lengthy = fc
  .tuple(oneOf('x', '😀', 'é', '\ud800'), oneOf(127, 128, 129, 255, 256, 257))
  .map(([unit, count]) => unit.repeat(count));

const text = fc.oneof(
  lengthy,
  oneOf('', ' ', 'a b', 'a\u00a0b', 'a\u007f', 'a\u0080', 'a\n', '\ud800', '\udc00x', '😀', '__proto__', 'constructor', '.acme', '-', 'é', 'toString'),
  oneOf('webrtc', 'sip', 'ingress', 'egress', 'track', 'video', 'third_party', 'upstream', 'stt', 'llm', 'tts', 'WebRTC', '1.0', '1'),
  oneOf(...topics.map((topic) => `${topic}.v1`), 'usage.session.v2'),
  fc.string({ unit: 'binary', maxLength: 12 }),
); // prettier-ignore

const anything = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 3, arbitrary: integer },
  { weight: 3, arbitrary: timestamp },
  { weight: 2, arbitrary: oneOf<unknown>(undefined, null, true, false, [], {}, [1], { a: 1 }, 'true') },
  fc.jsonValue({ maxDepth: 2 }),
);

/** The time of an event near what its record's timestamp allows, to the nanosecond. */
const nearLimit = (timestampMs: number): fc.Arbitrary<string> =>
  fc
    .tuple(oneOf(3_600_000, -400 * 86_400_000, 0), oneOf(-1n, 0n, 1n, 999_999n))
    .map(([distanceMs, nanos]) => {
      const ns = BigInt(timestampMs + distanceMs) * 1_000_000n + nanos;
      const millis = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, -1);
      return `${millis}${String(ns % 1_000_000n).padStart(6, '0')}Z`;
    });

/** Writes JSON with the raw parts as they are. */
function write(value: unknown): string {
  if (value instanceof Raw) return value.json;
  if (Array.isArray(value)) return `[${value.map((item) => write(item)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${write(item)}`).join(',')}}`;
}

function kindOf(name: string): fc.Arbitrary<unknown> {
  if (/At$|^time$/.test(name)) return timestamp;
  if (/Ms$|Tokens$|Events$|bytes|characters/.test(name)) return integer;
  return /^(id|source|subject|model)$/.test(name) ? fc.oneof(lengthy, text) : text;
}

/** Some more fields, mostly of a kind that fits the name. */
const changes = (names: readonly string[], most: number): fc.Arbitrary<[string, unknown][]> =>
  fc.array(
    oneOf(...names).chain((name) =>
      fc.tuple(fc.constant(name), fc.oneof({ weight: 3, arbitrary: kindOf(name) }, anything)),
    ),
    { maxLength: most },
  );

/** A field given twice stands twice, as producers may send it: the last counts. */
const writeFields = (fields: readonly (readonly [string, unknown])[], keepTwice: boolean): string => {
  const given = keepTwice ? fields : [...new Map(fields)];
  const written = given.filter(([, value]) => value !== undefined || keepTwice);
  return `{${written.map(([name, value]) => `${JSON.stringify(name)}:${write(value)}`).join(',')}}`;
};

interface Parts {
  readonly topic: string;
  readonly timestampMs: number;
  readonly attributes: readonly (readonly [string, unknown])[];
  readonly data: string;
  readonly keepTwice: boolean;
  readonly surround: readonly [before: string, after: string];
}

function structured({ topic, timestampMs, attributes, data, keepTwice, surround }: Parts): WorkloadRecord {
  const event = writeFields([['data', new Raw(data)], ...attributes], keepTwice);
  return { topic, key: 'acme', value: Buffer.from(surround.join(event)), timestampMs };
}

function binary({ topic, timestampMs, attributes, data, surround }: Parts): WorkloadRecord {
  const texts = attributes.filter(([, value]) => typeof value === 'string') as [string, string][];
  // Headers are UTF-8: half a surrogate pair cannot be sent in them.
  const headers = Object.fromEntries(
    texts.map(([name, value]) => [`ce_${name}`, Buffer.from(value).toString()]),
  );
  return { topic, key: 'acme', headers, value: Buffer.from(surround.join(data)), timestampMs };
}

/** What stands around the JSON: mostly nothing. */
const surround: fc.Arbitrary<Parts['surround']> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Parts['surround']>(['', '']) },
  oneOf<Parts['surround']>([' ', '\n'], ['', '}'], ['\ufeff', ''], ['[', ']'], ['', ',1']),
);

/** What a producer says its value is: mostly nothing, or what it is. */
const contentType = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  oneOf<string | undefined>(
    'application/cloudevents+json',
    'Application/CloudEvents+JSON;charset=utf-8',
    ' application/cloudevents+json ; x=y',
    'application/json',
    'application/cloudevents+jsonx',
    'application/cloudevents',
    'application/cloudevents-batch+json; charset=UTF-8',
    '',
  ),
);

export const weirdRecord: fc.Arbitrary<WorkloadRecord> = fc
  .record({
    topic: oneOf(...topics),
    timestampMs: oneOf(...TIMES_MS),
    keepTwice: fc.boolean(),
    isBinary: fc.boolean(),
    spoilsData: fc.boolean(),
    surround,
    contentType,
    hasOtherHeaders: fc.boolean(),
  })
  .chain(({ isBinary, spoilsData, contentType, hasOtherHeaders, ...parts }) =>
    fc
      .record({
        time: fc.oneof(nearLimit(parts.timestampMs), timestamp),
        goodData: oneOf(...goodData[parts.topic]!),
        dataChanges: changes(dataFields, spoilsData ? 4 : 0),
        attributeChanges: changes(attributeNames, spoilsData ? 0 : 2),
      })
      .map(({ time, goodData, dataChanges, attributeChanges }) => {
        const good = {
          specversion: '1.0',
          id: 'PA_1',
          source: '/sfu',
          type: `${parts.topic}.v1`,
          subject: 'acme',
          time,
        };
        const attributes = [...Object.entries(good), ...attributeChanges];
        const data = writeFields([...Object.entries(goodData), ...dataChanges], parts.keepTwice);
        const record = (isBinary ? binary : structured)({ ...parts, attributes, data });
        const others = hasOtherHeaders ? binary({ ...parts, attributes, data }).headers : record.headers;
        const headers = { ...others, ...(contentType !== undefined && { 'content-type': contentType }) };
        return { ...record, headers };
      }),
  );

/** Bytes that need not be JSON, UTF-8 or anything at all. */
export const anyBytes: fc.Arbitrary<WorkloadRecord> = fc
  .record({
    topic: oneOf(...topics),
    value: fc.oneof(
      fc.constant(null),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      fc.json({ maxDepth: 2 }).map((json) => Buffer.from(json)),
    ),
    headers: oneOf<Record<string, string> | undefined>(
      undefined,
      {},
      { ce_specversion: '1.0' },
      { ce_id: 'x' },
    ),
  })
  .map(({ topic, value, headers }) => ({
    topic,
    key: '',
    value,
    ...(headers && { headers }),
    timestampMs: TIMES_MS[0]!,
  }));
