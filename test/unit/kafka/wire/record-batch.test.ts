import { fc, test } from '@fast-check/jest';
import { MAX_BATCH_PARTS, decodeRecordBatch } from '../../../../src/kafka/wire/record-batch';
import { batchBytes, withChecksum } from '../../../kit/kafka/batch-bytes';

const one = { offsets: [7] };

it('refuses a batch with any single bit flipped', async () => {
  const batch = batchBytes({ offsets: [7, 8], value: Buffer.from('{"durationMs":60000}') });
  await expect(decodeRecordBatch(batch)).resolves.toBeDefined();
  // Offset, length, leader epoch and format are before what the checksum covers, because brokers
  // rewrite them.
  for (let at = 17; at < batch.length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      batch[at]! ^= 1 << bit;
      await expect(decodeRecordBatch(batch)).rejects.toThrow(/checksum/);
      batch[at]! ^= 1 << bit;
    }
  }
});

it('keeps headers of any name, empty ones and lists too', async () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'ce_id'];
  const value = (name: string): Buffer => Buffer.from(`of ${name}`);
  const { records } = await decodeRecordBatch(
    batchBytes({
      ...one,
      headers: [
        ...names.map((name) => [name, value(name)] as const),
        ['twice', null],
        ['twice', Buffer.alloc(0)],
        ['null', null],
      ],
    }),
  );
  expect(Object.entries(records[0]!.headers)).toEqual([
    ...names.map((name) => [name, value(name)]),
    ['twice', [null, Buffer.alloc(0)]],
    ['null', null],
  ]);
});

it('reads 100,000 headers of one record in no time', async () => {
  const headers = Array.from({ length: 100_000 }, (_, i) => [`h${i}`, null] as const);
  const batch = batchBytes({ ...one, headers });
  const start = process.cpuUsage();
  const { records } = await decodeRecordBatch(batch);
  const { user, system } = process.cpuUsage(start);
  expect(Object.keys(records[0]!.headers)).toHaveLength(100_000);
  // kafkajs copies them all for each of them: minutes.
  expect(user + system).toBeLessThan(5_000_000);
});

it('takes the time that the broker set, where the topic has it so', async () => {
  const { records } = await decodeRecordBatch(
    batchBytes({ offsets: [3, 5], appendTimestamp: 1_793_000_000_123 }),
  );
  expect(records).toMatchObject([
    { offset: 3, timestampMs: 1_793_000_000_123, value: Buffer.from('3') },
    { offset: 5, timestampMs: 1_793_000_000_123, value: Buffer.from('5') },
  ]);
});

it('makes nothing of more records or headers than memory could hold', async () => {
  const records = batchBytes({ ...one, count: MAX_BATCH_PARTS + 1 });
  await expect(decodeRecordBatch(records)).rejects.toThrow('more than 1000000 records and headers');
  const headers = Array.from({ length: 1_000 }, () => ['a', null] as const);
  const offsets = Array.from({ length: 1_000 }, (_, i) => i);
  const packed = batchBytes({ offsets, headers, gzip: true });
  expect(packed.length).toBeLessThan(100_000);
  await expect(decodeRecordBatch(packed)).rejects.toThrow('more than 1000000 records and headers');
});

it.each([
  ['fewer records than it says', { count: 2 }, 'ends inside a record'],
  ['more records than it says', { offsets: [7, 8], count: 1 }, 'more than the 1 records that it claims'],
])('refuses a batch that holds %s', async (_, options, problem) => {
  await expect(decodeRecordBatch(batchBytes({ ...one, ...options }))).rejects.toThrow(problem);
});

const text = fc.string({ unit: 'binary', maxLength: 5 });
const bytes = fc.option(fc.uint8Array({ maxLength: 5 }).map((array) => Buffer.from(array)));

test.prop([bytes, fc.array(fc.tuple(text, bytes), { maxLength: 4 }), fc.boolean()])(
  'gives back what was written',
  async (value, headers, gzip) => {
    const { records } = await decodeRecordBatch(batchBytes({ offsets: [3, 5], value, headers, gzip }));
    expect(records.map(({ offset }) => offset)).toEqual([3, 5]);
    for (const record of records) {
      expect(record.value).toEqual(value);
      for (const [name] of headers) {
        const all = headers.filter(([other]) => other === name).map(([, of]) => of);
        expect(record.headers[name]).toEqual(all.length === 1 ? all[0] : all);
      }
    }
  },
);

test.prop([fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 5 })], { numRuns: 500 })(
  'ends with records or an error whatever the bytes, even under a right checksum',
  async (changes) => {
    const headers = [['a', Buffer.from('b')]] as const;
    const batch = batchBytes({ offsets: [1, 2, 3], headers, value: Buffer.alloc(30) });
    for (const [at, byte] of changes) batch[21 + (at % (batch.length - 21))] = byte;
    try {
      const { records } = await decodeRecordBatch(withChecksum(batch));
      expect(records.length).toBeLessThan(batch.length);
    } catch (error) {
      expect((error as Error).message).not.toMatch(/undefined|out of range|not a function/);
    }
  },
);
