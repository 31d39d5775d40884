import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { consumerNamed, consumerNames } from '../../../consumers';
import { decodeEvent, type Decoded } from '../../../consumers/decode/decode-event';
import { parseInstant } from '../../../src/rating/instant';
import { event, GOOD_DATA, LIMITS, messageOf, TIME, type Fields } from '../../kit/usage/usage-events';
import { outsideValidator } from '../../kit/web/outside-validator';

/** What no schema can say: rules on two fields, or on the record. */
function isBeyondSchemas(decoded: Decoded): boolean {
  if (decoded.ok) return false;
  return (
    ['negative_duration', 'from_the_future', 'too_old', 'implausible'].includes(decoded.reason) ||
    decoded.detail.includes('at most data.inputTokens')
  );
}

const ATTRIBUTES = ['specversion', 'id', 'source', 'type', 'subject', 'time', 'data', 'data_base64', 'extra'];
/** Every field that a schema names, so that a check which forgets a new one is found. */
function fieldsIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties = {} } = schema as { properties?: object };
  return [...Object.keys(properties), ...Object.values(schema).flatMap(fieldsIn)];
}
const schemaOf = (name: string): object =>
  JSON.parse(readFileSync(`schemas/${name}.v1.json`, 'utf8')) as object;
const DATA_FIELDS = [
  ...new Set(
    ['usage-event', ...consumerNames.map((name) => `usage.${name}`)].flatMap((name) =>
      fieldsIn(schemaOf(name)),
    ),
  ),
  'extra',
].filter((field) => field === 'extra' || !ATTRIBUTES.includes(field));

const integers = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.nat(20).map((n) => 2 ** 53 - 10 + n),
  fc.constantFrom(-1, -0, 0.5, 1e21, 1e300, 5e-324, Number.MAX_VALUE),
);
const strings = fc.oneof(
  fc.constantFrom(...consumerNames.map((name) => `usage.${name}.v1`)),
  fc.constantFrom('webrtc', 'sip', 'ingress', 'egress', 'stt', 'llm', 'tts', 'downstream', 'upstream', '1.0'),
  fc.constantFrom('third_party', 'us_local', 'transcoded', 'passthrough', 'video', 'track', 'audio_only'),
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-0',
    '+1',
    '007',
    '1e3',
    '5.0',
    ' 5',
    '5\n',
    '٣',
    'null',
    'true',
    '__proto__',
  ),
  fc.constantFrom(
    TIME,
    TIME.toLowerCase(),
    '2026-10-14T11:31:10+02:00',
    '2026-02-29T00:00:00Z',
    '2026-10-14 09:31:10Z',
  ),
  fc.constantFrom('a b', 'a\u00a0b', 'a\u007f', 'a\u0000', 'Acme', '.acme', 'ac.me', 'ácme', '-', 'acme\n'),
  integers.map(String),
  fc.bigInt({ min: 0n, max: 10n ** 17n }).map(String),
  fc.string({ unit: 'binary', maxLength: 8 }),
  // Lengths about each limit, in characters of one and of two code units.
  fc
    .tuple(fc.constantFrom('a', '😀', '\ud800', '\u0300'), fc.constantFrom(127, 128, 129, 255, 256, 257))
    .map(([unit, length]) => unit.repeat(length)),
);
const values = fc.oneof(
  { weight: 3, arbitrary: strings },
  { weight: 2, arbitrary: integers },
  fc.constantFrom(undefined, null, true, false),
  fc.constantFrom([], {}, [5], ['webrtc'], { service: 'webrtc', durationMs: 5 }),
);
const changesOf = (names: readonly string[], maxKeys: number): fc.Arbitrary<Fields> =>
  fc
    .array(fc.tuple(fc.constantFrom(...names), values), { maxLength: maxKeys })
    .map((pairs) => Object.fromEntries(pairs));

describe.each(consumerNames)('%s', (name) => {
  const consumer = consumerNamed(name);
  const isGood = outsideValidator(`usage.${name}.v1.json`);

  test('an outside validator and decoding come to the same verdict on any event', () => {
    const verdicts = { good: 0, bad: 0 };
    fc.assert(
      fc.property(
        fc.constantFrom(...GOOD_DATA[name]!),
        changesOf(DATA_FIELDS, 3),
        fc.oneof(
          { weight: 2, arbitrary: fc.constant({}) },
          { weight: 1, arbitrary: changesOf(ATTRIBUTES, 2) },
        ),
        (data, dataChanges, changes) => {
          const text = JSON.stringify(event({ data: { ...data, ...dataChanges }, ...changes }, {}, name));
          const decoded = decodeEvent(consumer, messageOf(text), LIMITS);
          const verdict = isGood(JSON.parse(text));
          if (verdict !== (decoded.ok || isBeyondSchemas(decoded))) {
            throw new Error(
              `${text} is ${verdict ? 'good' : 'bad'} outside, here: ${JSON.stringify(decoded)}`,
            );
          }
          verdicts[verdict ? 'good' : 'bad'] += 1;
        },
      ),
      { numRuns: 3_000 },
    );
    // Neither verdict may be the answer to nearly all.
    expect(Math.min(verdicts.good, verdicts.bad)).toBeGreaterThan(300);
  });
});

describe('the patterns', () => {
  const isGoodBytes = (bytes: unknown): boolean =>
    outside(event({}, { service: 'sip', direction: 'upstream', bytes }, 'transfer'));
  const isGoodTime = (time: unknown): boolean =>
    outside(event({ time }, GOOD_DATA['transfer']![0], 'transfer'));
  const outside = outsideValidator('usage.transfer.v1.json');

  test('of integers in digits takes 0 to 2^53-1 and nothing else', () => {
    const isRight = (text: string): boolean => /^(0|[1-9][0-9]*)$/.test(text) && BigInt(text) < 2n ** 53n;
    const near = fc.nat(2_000).map((n) => String(2n ** 53n - 1_000n + BigInt(n)));
    // Every number that parts from 2^53-1 in one digit, and any of up to 18 digits.
    const digit = fc.tuple(fc.nat(15), fc.nat(9)).map(([at, put]) => {
      const digits = '9007199254740991';
      return digits.slice(0, at) + String(put) + digits.slice(at + 1);
    });
    fc.assert(
      fc.property(fc.oneof(near, digit, fc.stringMatching(/^[0-9]{0,18}$/)), (text) => {
        expect([text, isGoodBytes(text)]).toEqual([text, isRight(text)]);
      }),
      { numRuns: 2_000 },
    );
    for (let at = 0; at < 16; at += 1) {
      for (let put = 0; put <= 9; put += 1) {
        const text = `${'9007199254740991'.slice(0, at)}${put}${'9007199254740991'.slice(at + 1)}`;
        expect([text, isGoodBytes(text)]).toEqual([text, isRight(text)]);
      }
    }
  });

  test('of timestamps takes what is read as a timestamp: every day of years of all kinds', () => {
    const two = (value: number): string => String(value).padStart(2, '0');
    const wrong: string[] = [];
    for (const year of [
      '0000',
      '0004',
      '0100',
      '0400',
      '1896',
      '1900',
      '2000',
      '2023',
      '2024',
      '2072',
      '2100',
      '9996',
    ]) {
      for (let month = 0; month <= 13; month += 1) {
        for (let day = 0; day <= 32; day += 1) {
          const text = `${year}-${two(month)}-${two(day)}T00:00:00Z`;
          if (isGoodTime(text) !== (parseInstant(text) !== undefined)) wrong.push(text);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('of timestamps takes what is read as a timestamp: near misses', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          '2026-10-14T09:31:10.123456789Z',
          '2024-02-29t23:59:59+23:59',
          '1900-02-28T00:00:00-00:00',
        ),
        fc.array(fc.tuple(fc.nat(31), fc.nat(1), fc.constantFrom(...'0123456789TtZz+-:., \n', '')), {
          maxLength: 3,
        }),
        (text, edits) => {
          const edited = edits.reduce<string>(
            (was, [at, dropped, put]) => was.slice(0, at) + put + was.slice(at + dropped),
            text,
          );
          expect([edited, isGoodTime(edited)]).toEqual([edited, parseInstant(edited) !== undefined]);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
