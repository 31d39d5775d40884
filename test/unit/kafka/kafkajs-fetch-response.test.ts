import Encoder from 'kafkajs/src/protocol/encoder';
import { fc, test } from '@fast-check/jest';
import { MAX_BATCH_BYTES, registerCodecs } from '../../../src/kafka/wire/codecs';
import {
  decodeFetchResponse,
  unpackBatch,
  type FetchedPartition,
} from '../../../src/kafka/wire/fetch-response';
import { unpackFrom } from '../../../src/kafka/log-reader';
import type { LogRecord } from '../../../src/kafka/wire/record-batch';
import { batchBytes, type BatchOptions } from '../../kit/kafka/batch-bytes';

interface Aborted {
  readonly producerId: number;
  readonly firstOffset: number;
}

function responseBytes(partitions: readonly (readonly Buffer[])[], aborted: readonly Aborted[] = []): Buffer {
  const encoder = new Encoder()
    .writeInt32(0)
    .writeInt16(0)
    .writeInt32(0)
    .writeInt32(1)
    .writeString('usage.session')
    .writeInt32(partitions.length);
  for (const [index, batches] of partitions.entries()) {
    const records = Buffer.concat(batches);
    encoder
      .writeInt32(7 + index)
      .writeInt16(0)
      .writeInt64(1_000)
      .writeInt64(990)
      .writeInt64(3)
      .writeInt32(aborted.length);
    for (const { producerId, firstOffset } of aborted) encoder.writeInt64(producerId).writeInt64(firstOffset);
    encoder.writeInt32(-1).writeInt32(records.length).writeBuffer(records);
  }
  return encoder.buffer;
}

async function decodedPartitions(
  partitions: readonly (readonly Buffer[])[],
  aborted: readonly Aborted[] = [],
): Promise<FetchedPartition[]> {
  const answer = (await decodeFetchResponse(responseBytes(partitions, aborted))) as {
    responses: { topicName: string; partitions: FetchedPartition[] }[];
  };
  return answer.responses[0]!.partitions;
}

/** A partition, and what a consumer makes of it. */
type Unpacked = FetchedPartition & { readonly records: readonly LogRecord[] };

async function decoded(batches: readonly Buffer[], aborted: readonly Aborted[] = []): Promise<Unpacked> {
  const partition = (await decodedPartitions([batches], aborted))[0]!;
  const records: LogRecord[] = [];
  for (const batch of partition.messages) {
    for (const record of (await unpackBatch(batch)).records) records.push(record);
  }
  return { ...partition, records };
}

const kafkajsDecoder = () =>
  jest.requireActual<{ decode: (payload: Buffer) => Promise<unknown> }>(
    'kafkajs/src/protocol/requests/fetch/v11/response',
  );
const visible = ({ records }: Unpacked): number[] => records.map(({ offset }) => offset);
const lastOffset = ({ messages }: FetchedPartition): number => Number(messages.at(-1)?.offset);

beforeAll(() => registerCodecs());

it('reads what kafkajs reads', async () => {
  const batches = [batchBytes({ offsets: [10, 11, 13] }), batchBytes({ offsets: [14, 20], gzip: true })];
  const theirs = (await kafkajsDecoder().decode(responseBytes([batches]))) as {
    responses: { partitions: (Record<string, unknown> & { messages: Record<string, unknown>[] })[] }[];
  };
  const { messages, ...partition } = theirs.responses[0]!.partitions[0]!;
  const { messages: _, records, ...ours } = await decoded(batches);
  expect(partition).toMatchObject(ours);
  expect(
    records.map(({ offset, timestampMs, key, value, headers }) => ({
      ...{ offset, timestampMs, key, value, headers },
    })),
  ).toEqual(
    messages.map(({ offset, timestamp, key, value, headers }) => ({
      ...{ offset: Number(offset), timestampMs: Number(timestamp), key, value },
      headers: Object.assign(Object.create(null) as object, headers),
    })),
  );
  expect(records.map(({ value }) => String(value))).toEqual(['10', '11', '13', '14', '20']);
});

it('reads a batch of 150,000 records, of which kafkajs dies: it copies them over its stack', async () => {
  const offsets = Array.from({ length: 150_000 }, (_, i) => i);
  const batch = batchBytes({ offsets, gzip: true });
  expect(batch.length).toBeLessThan(2 * 1_048_576);
  const { records } = await decoded([batch]);
  expect(records).toHaveLength(150_000);
  expect(records.at(-1)).toMatchObject({ offset: 149_999, value: Buffer.from('149999') });
  await expect(kafkajsDecoder().decode(responseBytes([[batch]]))).rejects.toThrow(RangeError);
}, 60_000);

it('hides the records of aborted transactions, also to a fetch that begins inside several of them', async () => {
  // Two producers began before offset 10 and were aborted: kafkajs takes only one off its list per
  // record, and shows the first record of the other.
  const aborted = [
    { producerId: 1, firstOffset: 2 },
    { producerId: 2, firstOffset: 5 },
  ];
  const partition = await decoded(
    [
      batchBytes({ offsets: [10], producerId: 2, transactional: true }),
      batchBytes({ offsets: [11], producerId: 1, transactional: true }),
      batchBytes({ offsets: [12], producerId: 3, transactional: true }),
      batchBytes({ offsets: [13] }),
      batchBytes({ offsets: [14], producerId: 1, control: 'abort' }),
      batchBytes({ offsets: [15], producerId: 1, transactional: true }),
      batchBytes({ offsets: [16], producerId: 2, control: 'abort' }),
      batchBytes({ offsets: [17], producerId: 2, transactional: true }),
    ],
    aborted,
  );
  expect(visible(partition)).toEqual([12, 13, 15, 17]);
  expect(lastOffset(partition)).toBe(17);
});

it('takes the aborted transactions in any order', async () => {
  const aborted = [
    { producerId: 2, firstOffset: 12 },
    { producerId: 1, firstOffset: 10 },
  ];
  const partition = await decoded(
    [
      batchBytes({ offsets: [10, 11], producerId: 1, transactional: true }),
      batchBytes({ offsets: [12], producerId: 2, transactional: true }),
    ],
    aborted,
  );
  expect(visible(partition)).toEqual([]);
});

it('moves past a batch that compaction has emptied, or cut at its end', async () => {
  const emptied = await decoded([batchBytes({ offsets: [], firstOffset: 10, lastOffset: 19 })]);
  expect(visible(emptied)).toEqual([]);
  expect(lastOffset(emptied)).toBe(19);
  const cut = await decoded([batchBytes({ offsets: [10, 12], lastOffset: 19 })]);
  expect(visible(cut)).toEqual([10, 12]);
  expect(lastOffset(cut)).toBe(19);
});

it('leaves a batch that the broker cut off for the next fetch', async () => {
  const whole = batchBytes({ offsets: [10, 11] });
  for (const bytes of [1, 11, 60, whole.length - 1]) {
    const partition = await decoded([whole, batchBytes({ offsets: [12, 13] }).subarray(0, bytes)]);
    expect(visible(partition)).toEqual([10, 11]);
  }
});

it.each([
  ['a broken one', { offsets: [40, 41], codec: 3 }],
  ['an unknown compression', { offsets: [40], codec: 4 }],
])('says where an unreadable batch lies: %s', async (_, options) => {
  await expect(decoded([batchBytes({ offsets: [39] }), batchBytes(options)])).rejects.toMatchObject({
    code: 'UNDECODABLE_BATCH',
    retriable: false,
    message: expect.stringMatching(
      /^The batch at usage.session partition 7 offset 40 to 4[01] cannot be read: /,
    ) as string,
    fields: { topic: 'usage.session', partition: 7, offset: 40 },
  });
});

it('says so of the message formats of Kafka before 0.11', async () => {
  const old = batchBytes({ offsets: [5] });
  old[16] = 1;
  await expect(decoded([old])).rejects.toThrow('message format 1 is not supported');
});

/** Hundreds of MB are compressed and unpacked. */
const LARGE_TIMEOUT_MS = 60_000;

it(
  'makes nothing of what a response holds before its turn comes',
  async () => {
    // 60 MB each, in 60 KB.
    const batches = Array.from({ length: 10 }, (_, i) =>
      batchBytes({ offsets: [10 + i], gzip: true, value: Buffer.alloc(60_000_000) }),
    );
    const [partition] = await decodedPartitions([batches]);
    const bytes = partition!.messages.reduce((sum, batch) => sum + batch.bytes.length, 0);
    expect(bytes).toBeLessThan(1_000_000);
    expect(partition!.messages.map(({ offset }) => Number(offset))).toEqual(batches.map((_, i) => 10 + i));

    // A reader that wants records at once leaves what would take too much memory for its next
    // fetch.
    const first = await unpackFrom(10, partition!.messages);
    expect(first.records.map(({ offset }) => offset)).toEqual([10, 11, 12]);
    expect(first.next).toBe(13);
    const second = await unpackFrom(first.next, partition!.messages.slice(3));
    expect(second.records.map(({ offset }) => offset)).toEqual([13, 14, 15]);
  },
  LARGE_TIMEOUT_MS,
);

it(
  'reads a first batch whatever it comes to',
  async () => {
    const large = batchBytes({ offsets: [10], gzip: true, value: Buffer.alloc(MAX_BATCH_BYTES - 100) });
    const [partition] = await decodedPartitions([[large, batchBytes({ offsets: [11] })]]);
    const { records, next } = await unpackFrom(10, partition!.messages);
    expect(records.map(({ offset }) => offset)).toEqual([10]);
    expect(next).toBe(11);
  },
  LARGE_TIMEOUT_MS,
);

it.each([-12, -1, 0, 4, 48])(
  'a batch that says it is %i bytes long is broken, and no loop',
  async (length) => {
    const batch = batchBytes({ offsets: [40] });
    batch.writeInt32BE(length, 8);
    await expect(decoded([batch, batchBytes({ offsets: [41] })])).rejects.toMatchObject({
      code: 'UNDECODABLE_BATCH',
      fields: { offset: 40 },
    });
  },
);

const producer = fc.integer({ min: 1, max: 3 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('plain' as const), count: fc.nat({ max: 3 }) }),
  fc.record({ kind: fc.constant('send' as const), producer, count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('end' as const), producer, abort: fc.boolean() }),
);

test.prop([fc.array(step, { maxLength: 40 }), fc.nat({ max: 100 })], { numRuns: 500 })(
  'shows exactly the committed records of any mixture of transactions, wherever the fetch begins',
  async (steps, share) => {
    const batches: { bytes: Buffer; last: number }[] = [];
    const open = new Map<number, { first: number; offsets: number[] }>();
    const aborted: (Aborted & { last: number })[] = [];
    const hidden = new Set<number>();
    const all: number[] = [];
    let end = 0;
    const add = (options: Omit<BatchOptions, 'offsets'>, count: number): number[] => {
      const offsets = Array.from({ length: count }, () => end++);
      if (count === 0) return [];
      batches.push({ bytes: batchBytes({ ...options, offsets }), last: end - 1 });
      return offsets;
    };
    for (const one of steps) {
      if (one.kind === 'plain') all.push(...add({}, one.count));
      else if (one.kind === 'send') {
        const offsets = add({ producerId: one.producer, transactional: true }, one.count);
        all.push(...offsets);
        const transaction = open.get(one.producer) ?? { first: offsets[0]!, offsets: [] };
        transaction.offsets.push(...offsets);
        open.set(one.producer, transaction);
      } else {
        const transaction = open.get(one.producer);
        if (!transaction) continue;
        open.delete(one.producer);
        const [last] = add({ producerId: one.producer, control: one.abort ? 'abort' : 'commit' }, 1);
        if (!one.abort) continue;
        aborted.push({ producerId: one.producer, firstOffset: transaction.first, last: last! });
        for (const offset of transaction.offsets) hidden.add(offset);
      }
    }
    // Only up to the last stable offset, as a broker answers one who reads committed records; whole
    // batches only.
    const stable = Math.min(end, ...[...open.values()].map(({ first }) => first));
    const from = batches[Math.floor((batches.length * share) / 101)];
    const fetched = batches.filter(({ last }) => last < stable && last >= (from?.last ?? 0));
    if (fetched.length === 0) return;
    const begin = fetched[0]!.last;
    // A broker names the aborted transactions that reach into the answer.
    const partition = await decoded(
      fetched.map(({ bytes }) => bytes),
      aborted.filter(({ firstOffset, last }) => last >= begin && firstOffset < stable),
    );
    const firstFetched = Number(fetched[0]!.bytes.readBigInt64BE(0));
    expect(visible(partition)).toEqual(
      all.filter((offset) => offset >= firstFetched && offset <= fetched.at(-1)!.last && !hidden.has(offset)),
    );
    expect(lastOffset(partition)).toBe(fetched.at(-1)!.last);
  },
);
