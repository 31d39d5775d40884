import { indexLedger } from '../../../src/close/leave/index-ledger';
import { letMonthsLeave, type LeaveReport } from '../../../src/close/leave/leave-redis';
import { restoreLeftMonths } from '../../../src/close/leave/restore-left';
import { publishFrozenTotals } from '../../../src/close/frozen-totals';
import { appendLedger } from '../../../src/kafka/ledger/ledger';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { createTopics, topicName } from '../../../src/kafka/topics/topics';
import { createRandom, type Random } from '../../../src/oracle/random';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { nextMonth } from '../../../src/rating/month';
import type { RatedEvent } from '../../../src/rating/usage';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor } from '../../../src/redis/cursors';
import { freeze } from '../../../src/redis/cut-offs';
import { openStore, type Store } from '../../../src/redis/store';
import { beginLeaving, deleteLeaving } from '../../../src/redis/usage/leave';
import { indexText, type MonthIndex } from '../../../src/redis/usage/month-index';
import { eachPageOfListed, monthsThatLeft } from '../../../src/redis/usage/left-months';
import { readMonths, readUsage } from '../../../src/redis/usage/read-shard';
import {
  countProjects,
  placeProjects,
  projectsOf,
  readTotals,
  writeShardCount,
} from '../../../src/redis/usage/read-usage';
import type { WebDependencies } from '../../../src/web/http/dependencies';
import { readMonthView } from '../../../src/web/pages/month-view';
import { builtInCatalog } from '../../kit/built-in-catalog';
import { openTestKafka, quietLog } from '../../kit/kafka/kafka-harness';
import { testRedisUrl, uniquePrefix } from '../../kit/services';
import { chunk, event } from '../../kit/redis/rated-events';

/** Closed months that leave Redis are read from the ledger, with the same answers. */

const TOPIC = 'usage.session';
const SHARDS = 2;
const calendar = createBillingCalendar('UTC');
const client = openTestKafka();
let publisher: Publisher;
const opened: { store: Store; prefix: string }[] = [];

beforeAll(async () => {
  publisher = await createPublisher(client);
});
afterAll(async () => {
  for (const { store, prefix } of opened) {
    await store.redis.del(await store.redis.keys(`${prefix}:*`));
    await store.close();
  }
  await publisher.close();
  await client.close();
});

/** Two shards whose months are closed without invoices. */
class Counted {
  private readonly next = new Map<number, number>();
  private readonly closed: string[] = [];

  private constructor(
    readonly store: Store,
    readonly prefix: string,
  ) {}

  static async open(): Promise<Counted> {
    const prefix = uniquePrefix();
    const store = await openStore({ url: testRedisUrl(), prefix, kafka: () => client });
    opened.push({ store, prefix });
    await createTopics(client, prefix, { partitions: SHARDS, replication: 1, retentionDays: 1 });
    await writeShardCount(store, SHARDS);
    for (let shard = 0; shard < SHARDS; shard += 1) await initCursor(store, shard, TOPIC, 0);
    return new Counted(store, prefix);
  }

  async send(shard: number, ...events: RatedEvent[]): Promise<unknown> {
    const from = this.next.get(shard) ?? 0;
    const placed = events.map((each, i) => ({ ...each, offset: from + i }));
    const answer = await apply(this.store, shard, chunk(TOPIC, from, placed));
    const isMismatch = answer.answer === 'VOID_MISMATCH';
    // As a consumer does: the void becomes a dead letter, and the rest is sent again.
    this.next.set(shard, isMismatch ? answer.offset : from + events.length);
    if (!isMismatch) return answer;
    const rest = events.slice(answer.offset - from + 1);
    const skipped = chunk(TOPIC, answer.offset, [], answer.offset + 1);
    await apply(this.store, shard, skipped);
    this.next.set(shard, answer.offset + 1);
    return [answer, rest.length === 0 ? undefined : await this.send(shard, ...rest)];
  }

  async close(month: string, publishes = true): Promise<void> {
    const { store, prefix } = this;
    for (let shard = 0; shard < SHARDS; shard += 1) await freeze(store, shard, month);
    if (publishes) await publishFrozenTotals({ store, publisher, prefix }, month, () => Promise.resolve());
    const record = { month, closedAt: '2027-01-01T00:00:00.000Z', cursors: {}, completed: true };
    const closes = topicName(prefix, 'billing.closes');
    await appendLedger(publisher, closes, [{ key: month, value: JSON.stringify(record) }]);
    this.closed.push(month);
  }

  /** Lets the months up to this one leave. */
  leaveUpTo(month: string): Promise<LeaveReport[]> {
    const { store, prefix } = this;
    const stay = { nowMs: calendar.monthEnd(month), keepMs: 0, calendar };
    return letMonthsLeave({ kafka: client, store, prefix, logger: quietLog, ...stay });
  }

  /** Every way of reading the totals of a month. */
  async read(month: string): Promise<object> {
    const { store } = this;
    const names: string[] = [];
    for await (const name of projectsOf(store, month)) names.push(name);
    const asked = [...names.sort(), 'nobody', '__proto__'];
    const placed = await placeProjects(store, month, asked);
    const shards: object[] = [];
    for (let shard = 0; shard < SHARDS; shard += 1) {
      const listed: string[] = [];
      for await (const page of eachPageOfListed(store, shard, month)) listed.push(...page);
      const months = await readMonths(store, shard, month, asked);
      shards.push({ listed: listed.sort(), months: months.map((one) => inOrder(one)) });
    }
    const web = { store, calendar, catalog: builtInCatalog, nowMs: () => calendar.monthEnd(months.at(-1)!) };
    const views = names.map((name) => readMonthView(web as unknown as WebDependencies, name, month));
    return {
      // What the billing page and the API show, with late usage priced by the months before.
      views: (await Promise.all(views)).map(({ status, invoice, creditNote }) => ({
        status,
        invoice,
        creditNote,
      })),
      ...{ names, placed, shards, count: await countProjects(store, month) },
      usage: (await readUsage(store, month, placed)).map((one) => inOrder(one)),
      totals: await Promise.all(asked.map(async (name) => sorted(await readTotals(store, name, month)))),
    };
  }

  /** The keys of a month, without the ids that were counted while it was open. */
  async keysOf(month: string): Promise<string[]> {
    const keys = await this.store.redis.keys(`${this.prefix}:usage:{*}:*:${month}*`);
    return keys.filter((key) => !key.includes(':ids:'));
  }
}

const sorted = (sums: ReadonlyMap<string, bigint>): string[] =>
  [...sums].map(([field, sum]) => `${field} ${sum}`).sort();
const inOrder = <T extends { totals: ReadonlyMap<string, bigint>; daily: ReadonlyMap<string, bigint> }>(
  one: T,
): object => ({ ...one, totals: sorted(one.totals), daily: sorted(one.daily) });

const FIRST = '2025-10';
const months = [FIRST];
while (months.length < 14) months.push(nextMonth(months.at(-1)!));

/** Usage in time and late, in both shards, and voids, some of which repeat too much. */
function eventsOf(random: Random, at: number, known: RatedEvent[]): RatedEvent[] {
  return Array.from({ length: 25 }, (_, i) => {
    const month = random.chance(0.5) ? months[at]! : months[random.between(0, at)]!;
    const quantity = String(60 * random.between(1, 3));
    const usages = [{ meter: 'session.webrtc' as const, quantity }];
    const project = random.pick(['acme', 'globex', 'initech', '__proto__']);
    const day = `${month}-0${random.between(1, 2)}`;
    const fresh = event(0, { project, month, day, id: `${at}-${i}`, usages });
    if (known.length === 0 || random.chance(0.6)) {
      known.push(fresh);
      return fresh;
    }
    const taken = random.pick(known.slice(-60));
    const tooMuch = [{ meter: 'session.webrtc' as const, quantity: String(60 * random.between(2, 12)) }];
    return { ...taken, isVoid: true, usages: random.chance(0.4) ? tooMuch : taken.usages };
  });
}

test('fourteen months with late usage and voids: whoever leaves Redis early answers and counts as one who stays', async () => {
  const [stays, leaves] = [await Counted.open(), await Counted.open()];
  const random = createRandom(20261128);
  const known: RatedEvent[][] = [[], []];
  const answers: string[] = [];
  for (const [at, month] of months.entries()) {
    for (let shard = 0; shard < SHARDS; shard += 1) {
      const events = eventsOf(random, at, known[shard]!);
      const answer = await leaves.send(shard, ...events);
      expect(answer).toEqual(await stays.send(shard, ...events));
      answers.push(JSON.stringify(answer));
    }
    await stays.close(month);
    await leaves.close(month);
    // The month before the last leaves at once, so that voids meet months that are gone.
    if (at > 0) expect(await leaves.leaveUpTo(months[at - 1]!)).toMatchObject([{ month: months[at - 1] }]);
  }
  // The history is one in which all of it happens.
  for (const sign of ['VOID_MISMATCH', '"late":', '"voided":']) expect(answers.join()).toContain(sign);
  for (const month of months) expect(await leaves.read(month)).toEqual(await stays.read(month));
  for (const month of months.slice(0, -1)) expect(await leaves.keysOf(month)).toEqual([]);
  expect(await stays.keysOf(FIRST)).not.toEqual([]);
  expect(await leaves.leaveUpTo(months.at(-2)!)).toEqual([]);
});

async function oneMonth(): Promise<Counted> {
  const counted = await Counted.open();
  const project = (name: string): RatedEvent => event(0, { project: name, month: FIRST, day: `${FIRST}-03` });
  await counted.send(0, ...['acme', 'globex'].map((name) => ({ ...project(name), id: name })));
  await counted.send(1, { ...project('acme'), id: 'elsewhere' });
  await counted.close(FIRST);
  return counted;
}

const DAY_FIELD = `${FIRST}-03/session.webrtc`;

test.each([
  [
    'a day was edited',
    (store: Store) => store.redis.hset(store.keys.daily(0, FIRST, 'globex'), DAY_FIELD, 61),
  ],
  [
    'a day has a zero in front',
    (store: Store) => store.redis.hset(store.keys.daily(0, FIRST, 'globex'), DAY_FIELD, '060'),
  ],
  ['totals are lost', (store: Store) => store.redis.del(store.keys.totals(1, FIRST, 'acme'))],
  [
    'a project is listed that the ledger lacks',
    (store: Store) => store.redis.sadd(store.keys.projectsOfMonth(1, FIRST), 'stranger'),
  ],
  [
    'another project is listed in place of one',
    async (store: Store) => {
      await store.redis.srem(store.keys.projectsOfMonth(1, FIRST), 'acme');
      await store.redis.sadd(store.keys.projectsOfMonth(1, FIRST), 'stranger');
    },
  ],
  [
    'a project is listed no more',
    (store: Store) => store.redis.srem(store.keys.projectsOfMonth(0, FIRST), 'acme'),
  ],
])('nothing leaves if %s', async (_, edit) => {
  const counted = await oneMonth();
  await edit(counted.store);
  const before = (await counted.keysOf(FIRST)).sort();
  const [report] = await counted.leaveUpTo(FIRST);
  expect(report).toEqual(stays);
  expect((await counted.keysOf(FIRST)).sort()).toEqual(before);
  expect(await monthsThatLeft(counted.store, SHARDS)).toEqual([]);
});

const stays = { month: FIRST, problem: expect.stringContaining('stays in Redis') as string };

test('a month stays if its totals were published in part, or if another record replaced one of them', async () => {
  const counted = await oneMonth();
  const { store, prefix } = counted;
  const topic = topicName(prefix, 'billing.totals');
  const before = await counted.read(FIRST);
  await appendLedger(publisher, topic, [{ key: FIRST, value: null }]);
  expect(await counted.leaveUpTo(FIRST)).toEqual([stays]);

  await publishFrozenTotals({ store, publisher, prefix }, FIRST, () => Promise.resolve());
  const part = { month: FIRST, shard: 0, project: 'globex', part: 0, totals: [], daily: [] };
  await appendLedger(publisher, topic, [{ key: `${FIRST}/0/globex/0`, value: JSON.stringify(part) }]);
  expect(await counted.leaveUpTo(FIRST)).toEqual([stays]);

  await publishFrozenTotals({ store, publisher, prefix }, FIRST, () => Promise.resolve());
  expect(await counted.leaveUpTo(FIRST)).toEqual([{ month: FIRST, projects: 3 }]);
  expect(await counted.read(FIRST)).toEqual(before);
});

test('a month that was closed without publishing its totals stays for good, and no close reports it', async () => {
  const counted = await Counted.open();
  await counted.send(0, event(0, { month: FIRST, day: `${FIRST}-03` }));
  await counted.close(FIRST, false);
  await counted.close('2025-11');
  const before = await counted.keysOf(FIRST);
  expect(before).not.toEqual([]);
  expect(await counted.leaveUpTo('2025-11')).toEqual([{ month: '2025-11', projects: 0 }]);
  expect(await counted.keysOf(FIRST)).toEqual(before);
});

async function indexOf({ prefix }: Counted, shard: number): Promise<MonthIndex> {
  return (await indexLedger(client, prefix, [FIRST])).get(FIRST)!.get(shard)!;
}

test('a run that is killed between any two steps changes no answer, and the next one ends it', async () => {
  const counted = await oneMonth();
  const { store } = counted;
  const before = await counted.read(FIRST);
  const [first, second] = [await indexOf(counted, 0), await indexOf(counted, 1)];
  for (const step of [
    () => beginLeaving(store, 0, FIRST, first),
    // The first half of a script that a crash tore.
    () => store.redis.del(store.keys.totals(0, FIRST, 'globex')),
    () => deleteLeaving(store, 0, FIRST, first),
    () => beginLeaving(store, 1, FIRST, second),
  ]) {
    await step();
    expect(await counted.read(FIRST)).toEqual(before);
  }
  const both = await Promise.all([counted.leaveUpTo(FIRST), counted.leaveUpTo(FIRST)]);
  expect(both).toEqual([[{ month: FIRST, projects: 3 }], [{ month: FIRST, projects: 3 }]]);
  expect(await counted.read(FIRST)).toEqual(before);
  expect(await counted.keysOf(FIRST)).toEqual([]);
});

test('what changes after the comparison is not deleted, nor is anything that readers do not read from the ledger', async () => {
  const counted = await oneMonth();
  const { store } = counted;
  const index = await indexOf(counted, 0);
  await expect(deleteLeaving(store, 0, FIRST, index)).rejects.toMatchObject({ code: 'REDIS_WENT_BACK' });
  await beginLeaving(store, 0, FIRST, index);
  const daily = store.keys.daily(0, FIRST, 'globex');
  await store.redis.hset(daily, DAY_FIELD, 61);
  await expect(deleteLeaving(store, 0, FIRST, index)).rejects.toMatchObject({ code: 'MONTH_DIFFERS' });
  expect(await store.redis.hgetall(daily)).toEqual({ [DAY_FIELD]: '61' });
  expect(await store.redis.hgetall(store.keys.totals(0, FIRST, 'globex'))).toEqual({
    'session.webrtc': '60',
  });
});

test('a project that is listed after the comparison is not hidden, not by a rebuild either', async () => {
  const counted = await oneMonth();
  const { store, prefix } = counted;
  await beginLeaving(store, 0, FIRST, await indexOf(counted, 0));
  for (const shard of [0, 1]) await store.redis.sadd(store.keys.projectsOfMonth(shard, FIRST), 'stranger');
  await restoreLeftMonths(client, store, prefix, SHARDS, [FIRST], false);
  expect(await store.redis.exists(store.keys.shard(1).left)).toBe(0);
  const listed: string[] = [];
  for await (const page of eachPageOfListed(store, 1, FIRST)) listed.push(...page);
  expect(listed.sort()).toEqual(['acme', 'stranger']);
  expect(await counted.leaveUpTo(FIRST)).toEqual([stays]);
  await store.redis.srem(store.keys.projectsOfMonth(1, FIRST), 'stranger');
  expect(await counted.leaveUpTo(FIRST)).toEqual([
    {
      month: FIRST,
      problem: expect.stringContaining('does not hold stranger, which shard 0 lists') as string,
    },
  ]);
  await store.redis.srem(store.keys.projectsOfMonth(0, FIRST), 'stranger');
  expect(await counted.leaveUpTo(FIRST)).toEqual([{ month: FIRST, projects: 3 }]);
});

test('an error that Tallyman does not know is reported with its month', async () => {
  const counted = await oneMonth();
  const listed = counted.store.keys.projectsOfMonth(1, FIRST);
  await counted.store.redis.set(listed, 'not a set');
  expect(await counted.leaveUpTo(FIRST)).toEqual([
    { month: FIRST, problem: expect.stringContaining('WRONGTYPE') as string },
  ]);
});

test('a Redis that goes back to before, as a whole or one node of it, answers the same, and the month leaves again', async () => {
  const counted = await oneMonth();
  const { store, prefix } = counted;
  const before = await counted.read(FIRST);
  const copy = new Map<string, Buffer>();
  for (const key of await store.redis.keys(`${prefix}:*`)) copy.set(key, await store.redis.dumpBuffer(key));
  for (const lost of [`${prefix}:*`, `${prefix}:usage:{1}:*`]) {
    await counted.leaveUpTo(FIRST);
    expect(await counted.keysOf(FIRST)).toEqual([]);
    await store.redis.del(await store.redis.keys(lost));
    for (const [key, dump] of copy)
      if (!(await store.redis.exists(key))) await store.redis.restore(key, 0, dump);
    expect(await counted.keysOf(FIRST)).not.toEqual([]);
    expect(await counted.read(FIRST)).toEqual(before);
  }
  expect(await counted.leaveUpTo(FIRST)).toEqual([{ month: FIRST, projects: 3 }]);
});

test('a month whose index is lost, in one shard or in all, is refused by every reader until a rebuild searches for it', async () => {
  const counted = await oneMonth();
  const { store, prefix } = counted;
  const before = await counted.read(FIRST);
  await counted.leaveUpTo(FIRST);
  const usages = [{ meter: 'session.webrtc' as const, quantity: '60' }];
  const taken = event(0, { project: 'globex', month: FIRST, day: `${FIRST}-03`, id: 'globex', usages });
  const search = async (): Promise<void> =>
    restoreLeftMonths(client, store, prefix, SHARDS, await monthsThatLeft(store, SHARDS), false);
  for (const lost of [[0], [1], [0, 1]]) {
    for (const shard of lost) await store.redis.hdel(store.keys.shard(shard).left, FIRST);
    const moved = { code: 'LEDGER_MOVED', message: expect.stringContaining('tallyman rebuild') as string };
    const [shard] = lost;
    const placed = { project: 'acme', shards: [shard!] };
    for (const read of [
      () => readTotals(store, 'acme', FIRST),
      () => placeProjects(store, FIRST, ['acme']),
      () => readUsage(store, FIRST, [placed]),
      () => countProjects(store, FIRST),
      () => projectsOf(store, FIRST).next(),
    ])
      await expect(read()).rejects.toMatchObject(moved);
    if (shard === 0) await expect(counted.send(0, { ...taken, isVoid: true })).rejects.toMatchObject(moved);
    expect(await counted.leaveUpTo(FIRST)).toEqual([
      { month: FIRST, problem: expect.stringContaining('has lost') as string },
    ]);
    await search();
    expect(await counted.read(FIRST)).toEqual(before);
  }
});

test('a ledger that holds the month elsewhere is noticed and searched, and one that holds something else is refused', async () => {
  const counted = await oneMonth();
  const { store, prefix } = counted;
  const before = await counted.read(FIRST);
  await counted.leaveUpTo(FIRST);
  const index = await indexOf(counted, 0);
  const moveBy = (offsets: number): Promise<number> => {
    const runs = index.runs.map((run) => ({ ...run, from: run.from + offsets, to: run.to + offsets }));
    return store.redis.hset(store.keys.shard(0).left, FIRST, indexText({ ...index, runs }));
  };
  const search = (): Promise<void> => restoreLeftMonths(client, store, prefix, SHARDS, [FIRST], false);
  for (const offsets of [1, 1_000]) {
    await moveBy(offsets);
    await expect(counted.read(FIRST)).rejects.toMatchObject({ code: 'LEDGER_MOVED' });
    await search();
    expect(await counted.read(FIRST)).toEqual(before);
  }
  await store.redis.hset(store.keys.shard(0).left, FIRST, 'edited');
  await expect(counted.read(FIRST)).rejects.toMatchObject({ code: 'DOCUMENT_DAMAGED' });
  await search();
  expect(await counted.read(FIRST)).toEqual(before);

  const part = { month: FIRST, shard: 0, project: 'globex', part: 0, totals: [], daily: [] };
  await appendLedger(publisher, topicName(prefix, 'billing.totals'), [
    { key: `${FIRST}/0/globex/0`, value: JSON.stringify(part) },
  ]);
  await expect(search()).rejects.toMatchObject({ code: 'LEDGER_MOVED' });
  // Until Kafka compacts the topic, the record that was compared is still there.
  expect(await counted.read(FIRST)).toEqual(before);
});
