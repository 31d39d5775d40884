import { readPlainJson } from '../../../../consumers/decode/plain-json';
import { createRandom } from '../../../../src/oracle/random';
import { draftEvent, type Topic } from '../../../../src/oracle/usage-draft';
import { structured } from '../../../../src/oracle/write-record';
import { parseInstant, type Instant } from '../../../../src/rating/instant';
import { compareReaders } from '../../../fuzz/compare-readers';
import { RECORD_MS } from '../../../kit/usage/usage-events';

const RECORDS = 2_000;
const TOPICS: readonly Topic[] = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'];

test('an event is counted or rejected alike, however it is read', async () => {
  const { reasons, ...counts } = await compareReaders(RECORDS, RECORDS);
  // None of the cases may be rare.
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(RECORDS / 20);
  expect(reasons.size).toBeGreaterThanOrEqual(7);
}, 60_000); // It keeps a core busy for a second.

/** Texts of times become instants, which are compared without where their text ends. */
const withTimes = (event: unknown): unknown =>
  JSON.parse(JSON.stringify(event), (name, value: unknown) => {
    if (!/^time$|At$/.test(name) || value === null) return value;
    const { seconds, nanos } = typeof value === 'string' ? parseInstant(value)! : (value as Instant);
    return { seconds, nanos };
  });

test('what producers write is read from the batch', () => {
  const random = createRandom(1);
  for (const topic of TOPICS) {
    for (let number = 0; number < 200; number += 1) {
      const draft = draftEvent(random, topic, String(number), 'p_1', RECORD_MS);
      const text = JSON.stringify(structured(draft));
      const withBlanks = text.replaceAll('":', '": ').replaceAll(',"', ', "');
      for (const written of [text, withBlanks]) {
        const bytes = Buffer.from(written);
        expect(withTimes(readPlainJson(bytes, 0, bytes.length, false))).toEqual(withTimes(JSON.parse(text)));
      }
    }
  }
});

test.each([
  ...[
    '00',
    '007',
    '-0',
    '-1',
    '1.0',
    '1e3',
    '1234567890123456',
    '9007199254740993',
    '1 ',
    '',
    'nul',
    'trueish',
  ],
  ...[
    '"a\\"b"',
    '"\\u0031"',
    '"é"',
    '"\u007f"',
    '"\t"',
    '"open',
    '[]',
    '{}',
    'null,"extra":1',
    'null,',
    '1}}',
  ],
])('a value %j is left to the other parser', (value) => {
  const bytes = Buffer.from(`{"service":"webrtc","bytes":${value}}`);
  expect(readPlainJson(bytes, 0, bytes.length, true)).toBeUndefined();
});
