import { isDeepStrictEqual } from 'node:util';
import { consumerNamed } from '../../../../consumers';
import { decodeEvent } from '../../../../consumers/decode/decode-event';
import { readPlainJson } from '../../../../consumers/decode/plain-json';
import { createRandom, type Random } from '../../../../src/oracle/random';
import { draftEvent, type Topic } from '../../../../src/oracle/usage-draft';
import { binary, structured } from '../../../../src/oracle/write-record';
import { LIMITS, RECORD_MS } from '../../../kit/usage/usage-events';

const TEXTS = 4_000;
const TOPICS: readonly Topic[] = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'];

/** What a mutation inserts, or writes over what is there. */
const PIECES = [
  ...['"', '\\', '{', '}', '[', ']', ',', ':', ' ', '  ', '\n', '\t', '0', '9', '-', '-0', '.5', 'e3', '00'],
  ...['null', 'true', 'false', 'nul', 'tru', '1e400', '9007199254740993', '999999999999999', '\\u0041'],
  ...[
    '\u0000',
    '\u007f',
    'é',
    '\u2028',
    '😀',
    '\ufeff',
    '"id":"x",',
    '"id":1,',
    '"__proto__":1,',
    '"extra":1,',
  ],
  ...[
    '"data":{},',
    '"data":null,',
    '"service":"sip",',
    '"datacontenttype":"application/json",',
    'usage.void.v1',
  ],
  ...['"constructor":{},', '"bytes":"007",', '"durationMs":-1,', '"model":"",', 'ab-12.5Z', '/a b'],
].map((piece) => Buffer.from(piece));

/** As Python's `json.dumps` writes it. */
const withBlanks = (text: string): string => text.replaceAll('":', '": ').replaceAll(',"', ', "');

function mutated(random: Random, text: Buffer): Buffer {
  const at = random.between(0, text.length);
  const piece = random.pick([...PIECES, Buffer.of(random.between(0, 255))]);
  switch (random.between(0, 3)) {
    case 0:
      return Buffer.concat([text.subarray(0, at), piece, text.subarray(at)]);
    case 1:
      return Buffer.concat([text.subarray(0, at), piece, text.subarray(at + piece.length)]);
    case 2:
      return Buffer.concat([text.subarray(0, at), text.subarray(at + random.between(1, 12))]);
    default:
      return text.subarray(0, at);
  }
}

test('an event is counted or rejected alike, however its JSON is read', () => {
  const random = createRandom(TEXTS);
  const seen = { plain: 0, plainAndMutated: 0, other: 0, counted: 0, rejected: 0 };
  for (let number = 0; number < TEXTS; number += 1) {
    const topic = random.pick(TOPICS);
    const draft = draftEvent(random, topic, String(number % 50), `p_${number % 50}`, RECORD_MS);
    const isBinary = random.chance(0.2);
    const document = isBinary ? draft.data : structured(draft);
    const text = JSON.stringify(document);
    let value = Buffer.from(random.chance(0.2) ? withBlanks(text) : text);
    const mutations = random.chance(0.2) ? 0 : random.between(1, 2);
    for (let i = 0; i < mutations; i += 1) value = Buffer.from(mutated(random, value));

    const headers = isBinary ? binary(draft).headers : undefined;
    const message = { offset: 0, timestampMs: RECORD_MS, value, headers };
    // In a batch, other bytes are around a value, and it may seem to go on.
    const before = random.pick(['', '{', 'xyz']);
    const after = random.pick(['', '}', '"', '0', ' ', '"}}', ',"id":"y"}']);
    const bytes = Buffer.concat([Buffer.from(before), value, Buffer.from(after)]);
    const place = { bytes, valueStart: before.length, valueBytes: value.length };

    const consumer = consumerNamed(topic.slice('usage.'.length));
    const usual = JSON.stringify(decodeEvent(consumer, message, LIMITS));
    const fromBatch = JSON.stringify(decodeEvent(consumer, { ...message, ...place }, LIMITS));
    if (fromBatch !== usual) throw new Error(`${value.toString('latin1')}\n${fromBatch}\n${usual}`);

    const read = readPlainJson(bytes, place.valueStart, place.valueStart + value.length, isBinary);
    if (read === undefined) seen.other += 1;
    else {
      const { datacontenttype: _, ...parsed } = JSON.parse(value.toString('utf8')) as Record<string, unknown>;
      expect(isDeepStrictEqual(JSON.parse(JSON.stringify(read)), parsed)).toBe(true);
      seen[mutations > 0 ? 'plainAndMutated' : 'plain'] += 1;
    }
    seen[usual.startsWith('{"ok":true') ? 'counted' : 'rejected'] += 1;
  }
  // None of the cases may be rare.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(TEXTS / 20);
});

test('what producers write is read from the batch', () => {
  const random = createRandom(1);
  for (const topic of TOPICS) {
    for (let number = 0; number < 200; number += 1) {
      const draft = draftEvent(random, topic, String(number), 'p_1', RECORD_MS);
      const text = JSON.stringify(structured(draft));
      for (const written of [text, withBlanks(text)]) {
        const bytes = Buffer.from(written);
        expect(readPlainJson(bytes, 0, bytes.length, false)).toEqual(JSON.parse(text));
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
