import fc from 'fast-check';
import {
  buildMonthIndex,
  hashOf,
  indexText,
  parseIndex,
  runOf,
  type IndexedRecord,
} from '../../../../src/redis/usage/month-index';

/** Names that are close to each other, so that runs meet, and some that few projects have. */
const name = fc.oneof(
  fc.nat(300).map((number) => `p${number}`),
  fc.constantFrom('__proto__', 'constructor', 'A', 'z.z', '_', '-'),
);

/**
 * A ledger of one month and shard: pages of projects, each with one or two parts, in the order of
 * names or not. A close that was killed and repeated publishes some of them again.
 */
const ledger = fc
  .array(fc.record({ projects: fc.uniqueArray(name, { maxLength: 250 }), isSorted: fc.boolean() }), {
    maxLength: 3,
  })
  .map((pages): IndexedRecord[] => {
    const records: IndexedRecord[] = [];
    let offset = 7;
    for (const { projects, isSorted } of pages) {
      for (const project of isSorted ? [...projects].sort() : projects) {
        for (let part = 0; part < (project.length % 3 === 0 ? 2 : 1); part += 1)
          records.push({ project, part, offset: offset++, hash: hashOf(`${project}/${part}`, 'value') });
      }
      offset += 2;
    }
    return records;
  });

test('each project is in the run that a reader looks in, and in no other', () => {
  fc.assert(
    fc.property(ledger, name, (records, stranger) => {
      const index = buildMonthIndex(records);
      const last = new Map(records.map((record) => [`${record.project}/${record.part}`, record]));
      for (const { project, offset } of last.values()) {
        const { from, to } = index.runs[runOf(index, project)]!;
        expect(from <= offset && offset <= to).toBe(true);
      }
      const projects = new Set(records.map(({ project }) => project));
      expect(index.projects).toBe(projects.size);
      const firsts = index.runs.map(({ first }) => first);
      expect(firsts).toEqual([...firsts].sort());
      const before = firsts.filter((first) => first <= stranger);
      expect(runOf(index, stranger)).toBe(before.length - 1);
    }),
  );
});

test('it is read as it was written, and its digest does not depend on offsets', () => {
  fc.assert(
    fc.property(ledger, fc.nat(1_000), (records, moved) => {
      const index = buildMonthIndex(records);
      expect(parseIndex(indexText(index))).toEqual(index);
      const elsewhere = records.map((record) => ({ ...record, offset: record.offset + moved }));
      expect(buildMonthIndex(elsewhere).digest).toBe(index.digest);
      const [first] = records;
      if (first === undefined) return;
      const edited = records.map((record) =>
        record.project === first.project ? { ...record, hash: 'another' } : record,
      );
      expect(buildMonthIndex(edited).digest).not.toBe(index.digest);
    }),
  );
});

test('a month that was published in order takes one run per hundred records', () => {
  const projects = Array.from({ length: 1_000 }, (_, i) => `p${String(i).padStart(4, '0')}`);
  const sorted = projects.map((project, i) => ({ project, part: 0, offset: i, hash: 'h' }));
  expect(buildMonthIndex(sorted).runs).toHaveLength(10);
  const backwards = sorted.map((record, i) => ({ ...record, offset: 999 - i }));
  expect(buildMonthIndex(backwards).runs).toHaveLength(1_000);
});

test('what is not an index is refused', () => {
  for (const text of ['', '1', '1 d\nacme 5', 'x d\nacme 5 6 d', '1 d\nacme 5 6 d '])
    expect(parseIndex(text)).toBeUndefined();
});

test('an index that was edited or cut short anywhere is refused', () => {
  const projects = ['acme', 'globex', 'initech'];
  const records = projects.map((project, i) => ({ project, part: 0, offset: 2 * i, hash: 'h' }));
  const text = indexText(buildMonthIndex(records));
  const lines = text.split('\n');
  expect(lines).toHaveLength(4);
  for (let end = 0; end < text.length; end += 1) expect(parseIndex(text.slice(0, end))).toBeUndefined();
  for (const line of lines.keys()) expect(parseIndex(lines.toSpliced(line, 1).join('\n'))).toBeUndefined();
  expect(parseIndex(text.replace(/^3/, '2'))).toBeUndefined();
  expect(parseIndex(text.replace('globex 2 2', 'globex 2 3'))).toBeUndefined();
});
