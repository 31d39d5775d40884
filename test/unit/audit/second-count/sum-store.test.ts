import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fc, test as property } from '@fast-check/jest';
import { SumStore } from '../../../../src/audit/second-count/sum-store';

const directories: string[] = [];
function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'tallyman-sums-'));
  directories.push(made);
  return made;
}
afterEach(() => directories.splice(0).forEach((made) => rmSync(made, { recursive: true, force: true })));

const GROUPS = [
  's0\x012026-10\x01acme',
  's0\x012026-10\x01acme.eu',
  's0\x012026-11\x01acme',
  'i1\x010\x01topic',
];
const FIELDS = ['tsession.webrtc', 'd2026-10-01/session.webrtc', 'tinference.stt/modèle', 'n'];

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constantFrom(...GROUPS), fc.constantFrom(...FIELDS), fc.bigInt(-3n, 3n)),
  },
  { weight: 2, arbitrary: fc.constant('commit' as const) },
  { weight: 1, arbitrary: fc.constant('killed' as const) },
);

property.prop([fc.array(step, { maxLength: 60 })])(
  'adds up, through commits, merges and kills: what was not committed is gone, with its state',
  async (steps) => {
    const at = directory();
    let store = SumStore.open<number>(at);
    let live = new Map<string, bigint>();
    let durable = new Map<string, bigint>();
    let commits = 0;
    for (const one of steps) {
      if (one === 'commit') {
        await store.commit((commits += 1));
        durable = new Map(live);
      } else if (one === 'killed') {
        store.close();
        store = SumStore.open<number>(at);
        expect(store.state ?? 0).toBe(commits);
        live = new Map(durable);
      } else {
        const [group, field, amount] = one;
        store.add(group, field, amount);
        live.set(`${group}|${field}`, (live.get(`${group}|${field}`) ?? 0n) + amount);
      }
      for (const group of GROUPS) {
        const expected = FIELDS.map((field) => [field, live.get(`${group}|${field}`) ?? 0n] as const);
        expect(expected.map(([field]) => store.get(group, field))).toEqual(expected.map(([, sum]) => sum));
        expect(store.fieldsOf(group)).toEqual(new Map(expected.filter(([, sum]) => sum !== 0n)));
      }
    }
    store.close();
  },
);

test('many groups over several runs: each is found, in order, page by page', async () => {
  const store = SumStore.open<null>(directory());
  const names = Array.from({ length: 3_000 }, (_, i) => `s7\x012026-10\x01p${i}`);
  for (const [i, name] of names.entries()) {
    store.add(name, 'n', 1n);
    store.add(`i0\x010\x01t`, String(i), 1n);
    if (i % 500 === 499) await store.commit(null);
  }
  store.add(names[5]!, 'n', 1n);
  const found: string[] = [];
  for (;;) {
    const page = store.groupsAfter('s7\x012026-10\x01', found.at(-1) ?? '', 70);
    if (page.length === 0) break;
    found.push(...page);
  }
  expect(found).toEqual([...names].sort());
  expect(store.get(names[5]!, 'n')).toBe(2n);
  store.close();
});

test('a group that nobody asks for again leaves the files when runs are merged', async () => {
  const at = directory();
  const store = SumStore.open<null>(at);
  for (let round = 0; round < 2; round += 1) {
    store.add('i0\x010\x01t', `id${round}`, 1n);
    await store.commit(null, (group) => !group.startsWith('i0'));
  }
  expect(store.get('i0\x010\x01t', 'id0')).toBe(0n);
  expect(readdirSync(at)).toEqual(['manifest.json']);
  store.close();
});

test.each(['manifest.json', 'run'])('a damaged %s is noticed: the count begins again', async (damaged) => {
  const at = directory();
  const store = SumStore.open<number>(at);
  store.add('g', 'f', 5n);
  await store.commit(1);
  store.close();
  const name = readdirSync(at).find((file) => file.startsWith(damaged) && !file.endsWith('.index'))!;
  appendFileSync(join(at, name), 'x');
  const opened = SumStore.open<number>(at);
  expect([opened.state, opened.get('g', 'f')]).toEqual([undefined, 0n]);
  opened.close();
});

test('a second process on the same directory is noticed before anything is lost', async () => {
  const at = directory();
  const first = SumStore.open<number>(at);
  const second = SumStore.open<number>(at);
  await expect(first.commit(1)).rejects.toMatchObject({ code: 'STATE_TAKEN' });
  await second.commit(2);
  first.close();
  second.close();
});

test('a directory that cannot be written is refused with what to do', () => {
  const at = join(directory(), 'file');
  writeFileSync(at, '');
  expect(() => SumStore.open(at)).toThrow(expect.objectContaining({ code: 'STATE_UNUSABLE' }) as Error);
});
