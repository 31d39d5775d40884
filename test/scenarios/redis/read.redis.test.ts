import { apply } from '../../../src/redis/apply/apply-chunk';
import { readCloses } from '../../../src/redis/views/closes';
import { initCursor, readCursor, readCursors } from '../../../src/redis/cursors';
import { freeze, markFrozen, readCutOffs, restoreFreeze } from '../../../src/redis/cut-offs';
import {
  invoicesView,
  invoicedProjects,
  readInvoice,
  readInvoicedBefore,
  readInvoiceNumbers,
  readInvoices,
  readInvoicesOfMonth,
} from '../../../src/redis/views/invoices';
import { writeInvoices } from '../../../src/redis/views/write-invoices';
import { parsePosition, projectsView, type Shown } from '../../../src/redis/views/ledger-view';
import { eachProject, readProject, writeProject } from '../../../src/redis/views/projects';
import {
  countProjects,
  eachPageOfProjectsWithTotals,
  monthsWithUsage,
  placeProjects,
  projectsOf,
  readShardCount,
  readTotals,
  writeShardCount,
} from '../../../src/redis/usage/read-usage';
import { beginLeaving } from '../../../src/redis/usage/leave';
import { buildMonthIndex } from '../../../src/redis/usage/month-index';
import { readUsage } from '../../../src/redis/usage/read-shard';
import { checkRebuilt } from '../../../src/redis/rebuilding';
import { openStore, type Store } from '../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../kit/services';
import { readDaily } from '../../kit/redis/read-daily';
import { chunk, event } from '../../kit/redis/rated-events';

const TOPIC = 'usage.session';

let store: Store;
let prefix: string;

beforeEach(async () => {
  prefix = uniquePrefix();
  store = await openStore({ url: testRedisUrl(), prefix });
});

afterEach(async () => {
  const keys = await store.redis.keys(`${prefix}:*`);
  if (keys.length > 0) await store.redis.unlink(keys);
  await store.close();
});

const refused = (code: string): Error => expect.objectContaining({ code }) as Error;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found.sort();
}

test('a project that stands in several shards is summed up, and listed once', async () => {
  await writeShardCount(store, 3);
  const most = 9223372036854775807n;
  for (const shard of [0, 2]) {
    await initCursor(store, shard, TOPIC, 0);
    const usages = [{ meter: 'session.webrtc' as const, quantity: String(most) }];
    const events = [event(0, { usages }), event(1, { project: `only-${shard}` })];
    await apply(store, shard, chunk(TOPIC, 0, events));
  }
  expect(await readTotals(store, 'acme', '2026-07')).toEqual(new Map([['session.webrtc', 2n * most]]));
  expect(await readDaily(store, 'acme', '2026-07')).toEqual(
    new Map([['2026-07-15/session.webrtc', 2n * most]]),
  );
  expect(await all(projectsOf(store, '2026-07'))).toEqual(['acme', 'only-0', 'only-2']);
  expect(await all(projectsOf(store, '2026-06'))).toEqual([]);
  const long = Array.from(
    { length: 300 },
    (_, i) => `${1970 + Math.floor(i / 12)}-${String((i % 12) + 1).padStart(2, '0')}`,
  );
  expect(await monthsWithUsage(store, 3, [...long, '2026-06', '2026-07'])).toEqual(['2026-07']);
});

test('several projects are read together, each from the shards that hold it', async () => {
  await writeShardCount(store, 3);
  for (const [shard, projects] of [['a', 'b'], ['c'], ['b', 'd']].entries()) {
    await initCursor(store, shard, TOPIC, 0);
    const events = projects.map((project, i) => event(i, { project, id: `${shard}-${i}` }));
    await apply(store, shard, chunk(TOPIC, 0, events));
  }
  const placed = await placeProjects(store, '2026-07', ['d', 'b', 'none', 'a']);
  expect(placed).toEqual([
    { project: 'd', shards: [2] },
    { project: 'b', shards: [0, 2] },
    { project: 'none', shards: [] },
    { project: 'a', shards: [0] },
  ]);
  const usage = (quantity: bigint): object => ({
    totals: new Map([['session.webrtc', quantity]]),
    daily: new Map([['2026-07-15/session.webrtc', quantity]]),
  });
  const none = { totals: new Map(), daily: new Map() };
  expect(await readUsage(store, '2026-07', placed)).toEqual([usage(60n), usage(120n), none, usage(60n)]);
  expect(await readTotals(store, 'b', '2026-07')).toEqual(new Map([['session.webrtc', 120n]]));
  const pages = await all(eachPageOfProjectsWithTotals(store, '2026-07'));
  expect(pages.flat().sort((a, b) => (a.project < b.project ? -1 : 1))).toEqual([
    { project: 'a', shards: [0] },
    { project: 'b', shards: [0, 2] },
    { project: 'c', shards: [1] },
    { project: 'd', shards: [2] },
  ]);
  expect(await countProjects(store, '2026-07')).toBe(5);
});

test('the usage of more projects than one step reads is read in their order', async () => {
  await writeShardCount(store, 1);
  const names = Array.from({ length: 120 }, (_, i) => `p-${(i * 7) % 120}`);
  for (const name of names)
    await store.redis.hset(store.keys.totals(0, '2026-07', name), 'session.webrtc', name.slice(2));
  const placed = names.map((project) => ({ project, shards: [0] }));
  const usages = await readUsage(store, '2026-07', placed);
  expect(usages.map(({ totals }) => totals.get('session.webrtc'))).toEqual(
    names.map((name) => BigInt(name.slice(2))),
  );
});

test('more projects than a page are all listed, once each', async () => {
  await writeShardCount(store, 2);
  const names = Array.from({ length: 3_500 }, (_, i) => `p-${i}`);
  await store.redis.sadd(store.keys.projectsOfMonth(0, '2026-07'), ...names.slice(0, 2_500));
  await store.redis.sadd(store.keys.projectsOfMonth(1, '2026-07'), ...names.slice(1_500));
  expect(await all(projectsOf(store, '2026-07'))).toEqual([...names].sort());
});

test('the number of shards may grow, not shrink', async () => {
  await expect(readShardCount(store)).rejects.toThrow(refused('UNINITIALISED'));
  await writeShardCount(store, 12);
  await writeShardCount(store, 24);
  await expect(writeShardCount(store, 12)).rejects.toThrow(refused('FEWER_SHARDS'));
  expect(await readShardCount(store)).toBe(24);
});

test('a number of shards that was lost, or is too small, hides no shard in silence', async () => {
  for (const shard of [0, 1, 2, 3]) await initCursor(store, shard, TOPIC, 0);
  await expect(readShardCount(store)).rejects.toThrow(refused('SHARDS_STALE'));
  await writeShardCount(store, 2);
  await expect(readTotals(store, 'acme', '2026-07')).rejects.toThrow(refused('SHARDS_STALE'));
  await writeShardCount(store, 4);
  expect(await readShardCount(store)).toBe(4);
});

test.each(['abc', '', '1.5', '-2', '1e1', '99999999999'])(
  'a number of shards that reads %j counts as lost',
  async (noted) => {
    for (const shard of [0, 1]) await initCursor(store, shard, TOPIC, 0);
    await store.redis.set(store.keys.shardCount, noted);
    await expect(checkRebuilt(store).then(() => readShardCount(store))).rejects.toThrow(
      refused('SHARDS_STALE'),
    );
    await writeShardCount(store, 2);
    await checkRebuilt(store);
    expect(await readShardCount(store)).toBe(2);
  },
);

test('a cursor is created once', async () => {
  expect(await readCursor(store, 5, TOPIC)).toBeUndefined();
  expect(await initCursor(store, 5, TOPIC, 7)).toBe(true);
  expect(await initCursor(store, 5, TOPIC, 9)).toBe(false);
  expect(await readCursor(store, 5, TOPIC)).toBe(7);
  expect(await readCursors(store, 5)).toEqual(new Map([[TOPIC, 7]]));
  expect(await readCursors(store, 6)).toEqual(new Map());
});

describe('freezing', () => {
  test('it keeps the cursors of all topics, however often it is asked', async () => {
    await initCursor(store, 0, TOPIC, 3);
    await initCursor(store, 0, 'usage.agent', 5);
    const cursors = new Map([
      [TOPIC, 3],
      ['usage.agent', 5],
    ]);
    expect(await freeze(store, 0, '2026-07')).toEqual(cursors);
    const json = await store.redis.hget(store.keys.shard(0).closed, '2026-07');
    expect(json).toBe('{"usage.agent":5,"usage.session":3}');
    await apply(store, 0, chunk(TOPIC, 3, [event(3)]));
    expect(await freeze(store, 0, '2026-07')).toEqual(cursors);
    expect(await readCutOffs(store, 0)).toEqual(new Map([['2026-07', cursors]]));
  });

  test('it is refused out of order, and without cursors', async () => {
    await expect(freeze(store, 0, '2026-07')).rejects.toThrow(refused('UNINITIALISED'));
    await initCursor(store, 0, TOPIC, 3);
    await freeze(store, 0, '2026-07');
    await expect(freeze(store, 0, '2026-06')).rejects.toThrow(refused('LATER_MONTH_FROZEN'));
    await restoreFreeze(store, 0, '2026-08', new Map([[TOPIC, 9]]));
    await expect(freeze(store, 0, '2026-09')).rejects.toThrow(refused('BEHIND_FREEZE'));
  });

  test('a month is neither marked nor leaves before its cursors have reached the freeze', async () => {
    const steps = [
      () => markFrozen(store, 0, '2026-07', 'run'),
      () => beginLeaving(store, 0, '2026-07', buildMonthIndex([])),
    ];
    await initCursor(store, 0, TOPIC, 3);
    for (const step of steps) await expect(step()).rejects.toThrow(refused('UNFROZEN'));
    await restoreFreeze(store, 0, '2026-07', new Map([[TOPIC, 4]]));
    for (const step of steps) await expect(step()).rejects.toThrow(refused('BEHIND_FREEZE'));
    await store.redis.hset(store.keys.shard(0).cursor, TOPIC, 4);
    for (const step of steps) await step();
  });

  test('a lost freeze is restored to the same bytes; another one is a conflict', async () => {
    await initCursor(store, 0, TOPIC, 3);
    await initCursor(store, 0, 'usage.agent', 2 ** 53 - 1);
    const cursors = await freeze(store, 0, '2026-07');
    const { closed } = store.keys.shard(0);
    const json = await store.redis.hget(closed, '2026-07');
    expect(await restoreFreeze(store, 0, '2026-07', cursors)).toBe(false);
    await store.redis.del(closed);
    expect(await restoreFreeze(store, 0, '2026-07', new Map([...cursors].reverse()))).toBe(true);
    expect(await store.redis.hget(closed, '2026-07')).toBe(json);
    const other = new Map([...cursors, [TOPIC, 4]]);
    await expect(restoreFreeze(store, 0, '2026-07', other)).rejects.toThrow(refused('FREEZE_CONFLICT'));
    await expect(restoreFreeze(store, 0, '2026-06', other)).rejects.toThrow(refused('FREEZE_CONFLICT'));
    await expect(restoreFreeze(store, 0, '2026-08', new Map([[TOPIC, 2]]))).rejects.toThrow(
      refused('FREEZE_CONFLICT'),
    );
    expect(await store.redis.hgetall(closed)).toEqual({ '2026-07': json });
  });
});

describe('the views of the ledger', () => {
  test('projects', async () => {
    const document = { project: '__proto__', plans: [{ plan: 'ship', from: '2026-07-01' }] };
    expect(await readProject(store, '__proto__')).toBeUndefined();
    await writeProject(store, { ...document, plans: [] });
    await writeProject(store, document);
    expect(await readProject(store, '__proto__')).toEqual(document);
    for (let i = 0; i < 1_000; i += 1) await writeProject(store, { ...document, project: `p-${i}` });
    const projects = await all(
      (async function* () {
        for await (const { project } of eachProject(store)) yield project;
      })(),
    );
    expect(projects).toHaveLength(1_001);
    expect(new Set(projects).size).toBe(1_001);
  });

  test('closes, in order', async () => {
    await store.redis.hset(store.keys.closes, '2026-08', '{"b":1}');
    await store.redis.hset(store.keys.closes, '2026-07', '{"a":1}');
    expect([...(await readCloses(store))]).toEqual([
      ['2026-07', '{"a":1}'],
      ['2026-08', '{"b":1}'],
    ]);
  });

  test('what was invoiced before goes by the numbers', async () => {
    const issue = async (month: string, number: number): Promise<string> => {
      const json = JSON.stringify({ number: `a-b-000${number}`, month });
      await writeInvoices(store, [{ project: 'a-b', entry: month, json }]);
      return json;
    };
    const before = async (month: string) => readInvoicedBefore(store, month, ['none', 'a-b']);
    const first = await issue('2026-05', 1);
    const none = { count: 0, creditNoteCount: 0, hasCreditNote: false };
    const one = { ...none, count: 1 };
    expect(await before('2026-06')).toEqual([none, { ...one, last: first }]);
    expect(await before('2026-05')).toEqual([none, { ...one, own: first }]);
    // June was a draft, and is issued after July: what July carried on is not carried from May
    // again.
    const second = await issue('2026-07', 2);
    expect((await before('2026-06'))[1]).toEqual({ ...none, count: 2, last: second });
    const third = await issue('2026-06', 3);
    // Credit notes are counted apart: their numbers are their own.
    const json = JSON.stringify({ number: 'a-b-CN0001' });
    await writeInvoices(store, [{ project: 'a-b', entry: '2026-07-CN', json }]);
    const three = { count: 3, creditNoteCount: 1, hasCreditNote: false };
    expect((await before('2026-08'))[1]).toEqual({ ...three, last: third });
    expect((await before('2026-06'))[1]).toEqual({ ...three, own: third, last: second });
    expect((await before('2026-07'))[1]).toEqual({
      ...three,
      ...{ hasCreditNote: true, own: second, last: first },
    });
    expect(await readInvoiceNumbers(store, 'a-b', ['2026-04', '2026-05', '2026-07'])).toEqual(
      new Map([
        ['2026-05', 'a-b-0001'],
        ['2026-07', 'a-b-0002'],
      ]),
    );
  });

  test('a range of the invoice ledger is shown from where the position stands, or not at all', async () => {
    const view = invoicesView(store);
    const show = async (text: string, next: number, entry: string): Promise<Shown | undefined> =>
      view.show({ text, position: parsePosition(text) }, { next, topicId: 'id', run: 'run' }, [
        { key: `ranged-${entry}`, value: `{"next":${next}}`, offset: next - 1 },
      ]);
    expect(await show('', 3, '2026-01')).toEqual({ added: 1, text: '3 id run' });
    expect(await show('', 4, '2026-02')).toBeUndefined(); // Another has shown it meanwhile,
    expect(await show('5 id run', 6, '2026-03')).toBeUndefined(); // or Redis went back.
    expect(await show('3 id run', 5, '2026-01')).toEqual({ added: 0, text: '5 id run' });
    expect(await view.find()).toEqual({
      text: '5 id run',
      position: { next: 5, topicId: 'id', run: 'run' },
    });
    expect([...(await readInvoices(store, 'ranged'))]).toEqual([['2026-01', '{"next":5}']]);
    await view.forget();
    expect(await view.find()).toEqual({ text: '', position: undefined });
  });

  test('a view of projects that lacks a field, or holds one too many, is shown again', async () => {
    const view = projectsView(store);
    await view.forget();
    const begun = { next: 2, topicId: undefined, run: 'run' };
    const records = [
      { key: 'a', value: '{"a":1}', offset: 0 },
      { key: 'b', value: '{"b":1}', offset: 1 },
    ];
    await store.redis.hset(store.keys.projects, 'stale', '{}');
    const found = await view.find();
    expect(await view.show(found, begun, records)).toEqual({ added: 2, text: '2 - run 2' });
    expect(await store.redis.hgetall(store.keys.projects)).toEqual({ a: '{"a":1}', b: '{"b":1}' });
    expect((await view.find()).position).toEqual(begun);
    await store.redis.hdel(store.keys.projects, 'a');
    expect((await view.find()).position).toBeUndefined();
    await store.redis.hset(store.keys.projects, 'a', '{}', 'c', '{}');
    expect((await view.find()).position).toBeUndefined();
    await store.redis.unlink(store.keys.projects);
  });

  test('invoices, byte for byte', async () => {
    const json = '{ "total":  "1.00", "name": "Æ" }';
    await writeInvoices(store, [
      { project: 'p', entry: '2026-08', json: '{}' },
      { project: 'p', entry: '2026-07-CN', json: '{"c":7}' },
      { project: 'p', entry: '2026-07', json },
      { project: 'constructor', entry: '2026-07', json: '{}' },
    ]);
    expect(await readInvoice(store, 'p', '2026-07')).toBe(json);
    expect(await readInvoice(store, 'p', '2026-06')).toBeUndefined();
    expect([...(await readInvoices(store, 'p'))]).toEqual([
      ['2026-07', json],
      ['2026-07-CN', '{"c":7}'],
      ['2026-08', '{}'],
    ]);
    expect(await readInvoicesOfMonth(store, 'p', '2026-07')).toEqual([json, '{"c":7}']);
    expect(await readInvoicesOfMonth(store, 'p', '2026-08')).toEqual(['{}']);
    expect(await all(invoicedProjects(store, '2026-07'))).toEqual(['constructor', 'p']);
    await writeInvoices(store, [{ project: 'p', entry: '2026-09-CN', json: '{"m":9}' }]);
    expect(await all(invoicedProjects(store, '2026-09'))).toEqual(['p']);
    await writeInvoices(store, [{ project: 'p', entry: '2026-08', json: null }]); // Withdrawn.
    expect(await readInvoice(store, 'p', '2026-08')).toBeUndefined();
  });
});
