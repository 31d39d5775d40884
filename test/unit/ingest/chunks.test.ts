import { fc, test } from '@fast-check/jest';
import { ChunkCutter, type ChunkLimits, type ChunkRange } from '../../../src/ingest/chunks';

interface TestRecord {
  readonly offset: number;
  readonly valueBytes: number;
}

const record = (offset: number, bytes = 1): TestRecord => ({ offset, valueBytes: bytes });
const limits = { maxRecords: 3, maxBytes: 10 };

type Chunk = ChunkRange & { readonly records: readonly TestRecord[] };

function cutChunks(
  records: readonly TestRecord[],
  { from, next }: { from: number; next: number },
  chunkLimits: ChunkLimits,
): Chunk[] {
  const cutter = new ChunkCutter(from, chunkLimits);
  const ranges = records.map((one) => cutter.add(one)).filter((range) => range !== undefined);
  return [...ranges, cutter.end(next)].map((range) => ({
    ...range,
    records: records.filter(({ offset }) => offset >= range.from && offset < range.next),
  }));
}

it('cuts by number and by bytes, and lets one large record stand alone', () => {
  const records = [record(5), record(6), record(7), record(9), record(10, 8), record(11, 50), record(12)];
  const chunks = cutChunks(records, { from: 5, next: 20 }, limits);
  expect(chunks.map(({ from, next, records }) => [from, next, records.map(({ offset }) => offset)])).toEqual([
    [5, 9, [5, 6, 7]],
    [9, 11, [9, 10]],
    [11, 12, [11]],
    [12, 20, [12]],
  ]);
});

it('is cut where the leader of the log changed, and makes no empty chunk of it', () => {
  const cutter = new ChunkCutter(5, limits);
  expect(cutter.cut(5)).toBeUndefined();
  cutter.add(record(5));
  expect(cutter.cut(7)).toEqual({ from: 5, next: 7 });
  expect(cutter.cut(7)).toBeUndefined();
  for (const offset of [7, 8, 9]) expect(cutter.add(record(offset))).toBeUndefined();
  expect(cutter.end(12)).toEqual({ from: 7, next: 12 });
});

it('makes an empty chunk of a range without records: the cursor has to pass it too', () => {
  expect(cutChunks([], { from: 5, next: 20 }, limits)).toEqual([{ from: 5, next: 20, records: [] }]);
});

it('counts an empty value as nothing', () => {
  const records = [1, 2, 3].map((offset) => record(offset, 0));
  expect(cutChunks(records, { from: 1, next: 4 }, { maxRecords: 10, maxBytes: 0 })).toHaveLength(1);
});

test.prop([
  fc.uniqueArray(fc.nat({ max: 200 })),
  fc.array(fc.nat({ max: 12 })),
  fc.nat({ max: 100 }),
  fc.integer({ min: 1, max: 5 }),
  fc.nat({ max: 20 }),
])(
  'chunks leave no offset out, keep every record, and keep the limits',
  (offsets, sizes, from, maxRecords, maxBytes) => {
    const records = offsets
      .filter((offset) => offset >= from)
      .sort((a, b) => a - b)
      .map((offset, index) => record(offset, sizes[index % (sizes.length || 1)] ?? 1));
    const next = 201;
    const chunks = cutChunks(records, { from, next }, { maxRecords, maxBytes });
    expect(chunks[0]?.from).toBe(from);
    expect(chunks.at(-1)?.next).toBe(next);
    for (const [index, chunk] of chunks.entries()) {
      if (index > 0) expect(chunk.from).toBe(chunks[index - 1]?.next);
      expect(chunk.next).toBeGreaterThan(chunk.from);
      for (const { offset } of chunk.records) {
        expect(offset).toBeGreaterThanOrEqual(chunk.from);
        expect(offset).toBeLessThan(chunk.next);
      }
      expect(chunk.records.length).toBeLessThanOrEqual(maxRecords);
      const bytes = chunk.records.reduce((sum, { valueBytes }) => sum + valueBytes, 0);
      if (chunk.records.length > 1) expect(bytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(chunks.flatMap((chunk) => chunk.records)).toEqual(records);
  },
);
