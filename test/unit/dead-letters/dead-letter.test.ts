import { missingParts } from '../../../src/dead-letters/replay-dead-letters';
import { fc, test } from '@fast-check/jest';
import { createDeadLetters, deadLetterOf, type RejectedRecord } from '../../../src/dead-letters/dead-letter';
import type { PublishRecord, Publisher } from '../../../src/kafka/producer';
import { validatorOf } from '../../../src/lib/schema';

const rejected = (more: Partial<RejectedRecord> = {}): RejectedRecord => ({
  topic: 'acme.usage.session',
  partition: 3,
  offset: 41,
  timestampMs: 1_790_000_000_000,
  key: Buffer.from('project-1'),
  value: Buffer.from('{"broken'),
  headers: undefined,
  rejection: { ok: false, reason: 'malformed_json', detail: 'no JSON' },
  ...more,
});

it('holds the place, the reason, and the record as it was', () => {
  expect(deadLetterOf(rejected({ headers: { trace: Buffer.from('abc') } }))).toEqual({
    reason: 'malformed_json',
    detail: 'no JSON',
    topic: 'acme.usage.session',
    partition: 3,
    offset: '41',
    timestamp: 1_790_000_000_000,
    key: 'project-1',
    value: Buffer.from('{"broken').toString('base64'),
    headers: { trace: 'abc' },
  });
});

it('writes what is not UTF-8 as base64, and nulls as null', () => {
  const bytes = Buffer.from([0xff, 0xfe]);
  const letter = deadLetterOf(
    rejected({
      key: bytes,
      value: null,
      // kafkajs gives null for a header without a value, whatever its types say.
      headers: { a: bytes, b: [Buffer.from('x'), bytes], c: null as unknown as Buffer, ['__proto__']: 'y' },
    }),
  );
  expect(validatorOf('dead-letter.v1.json')(letter)).toEqual([]);
  const base64 = { base64: bytes.toString('base64') };
  expect(letter.key).toEqual(base64);
  expect(letter.value).toBeNull();
  expect(Object.entries(letter.headers)).toEqual([
    ['a', base64],
    ['b', ['x', base64]],
    ['c', null],
    ['__proto__', 'y'],
  ]);
});

it('keeps a byte order mark, which is UTF-8', () => {
  expect(deadLetterOf(rejected({ key: Buffer.from('\ufeffp') })).key).toBe('\ufeffp');
});

it('keeps the first 64 KiB of a value that is too large, and the whole of any other', () => {
  const value = Buffer.alloc(1_048_577, 7);
  const tooLarge = deadLetterOf(
    rejected({ value, rejection: { ok: false, reason: 'too_large', detail: 'too large' } }),
  );
  expect(Buffer.from(tooLarge.value ?? '', 'base64').equals(value.subarray(0, 65_536))).toBe(true);
  expect(Buffer.from(deadLetterOf(rejected({ value })).value ?? '', 'base64').equals(value)).toBe(true);
});

it('leaves out a key and headers that no topic would take', () => {
  const letter = deadLetterOf(
    rejected({ key: Buffer.alloc(200_000, 1), headers: { h: Buffer.alloc(70_000) } }),
  );
  expect(letter).toMatchObject({ key: null, headers: {} });
  expect(letter.detail).toBe('no JSON (270001 bytes of key and headers are left out)');
  expect(letter.missing).toEqual(['key', 'headers']);
});

it('names the parts that it does not hold, and a replay goes by that alone', () => {
  const whole = deadLetterOf(rejected({}));
  expect(whole).not.toHaveProperty('missing');
  expect(missingParts(whole)).toBeUndefined();
  const cut = deadLetterOf(rejected({ rejection: { ok: false, reason: 'too_large', detail: '' } }));
  expect(cut.missing).toEqual(['value']);
  expect(missingParts(cut)).toContain('first 64 KiB');
  expect(missingParts({ reason: 'malformed_json', missing: ['key', 'headers'] })).toBe(
    "the letter does not hold the event's key and headers",
  );
  // Letters of older versions.
  expect(missingParts({ reason: 'too_large' })).toContain('first 64 KiB');
  expect(missingParts({ reason: 'schema_violation' })).toBeUndefined();
});

it('leaves out headers that are too many, though all are empty', () => {
  const headers = { h: Array<string>(1_000_000).fill('') };
  expect(deadLetterOf(rejected({ headers })).headers).toEqual({});
});

test.prop([
  fc.uint8Array({ maxLength: 2_000 }),
  fc.uint8Array({ maxLength: 100 }),
  fc.dictionary(fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 40 })),
])('is always valid, and always fits its topic', (value, key, headers) => {
  const letter = deadLetterOf(
    rejected({
      value: Buffer.from(value),
      key: Buffer.from(key),
      headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, Buffer.from(one)])),
    }),
  );
  expect(validatorOf('dead-letter.v1.json')(letter)).toEqual([]);
  expect(Buffer.from(letter.value ?? '', 'base64').equals(value)).toBe(true);
  expect(Buffer.byteLength(JSON.stringify(letter))).toBeLessThan(8 * 1_048_576);
});

it('is published under the place of the record, with the prefix', async () => {
  const published: [string, readonly PublishRecord[]][] = [];
  const publisher: Publisher = {
    publish: (topic, records) => Promise.resolve(void published.push([topic, records])),
    close: () => Promise.resolve(),
  };
  await createDeadLetters(publisher, 'acme').publish([rejected()]);
  expect(published).toMatchObject([['acme.usage.dead-letters', [{ key: 'acme.usage.session/3/41' }]]]);
});
