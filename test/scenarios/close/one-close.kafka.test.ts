import { openTransactions } from '../../../src/kafka/topics/open-transactions';
import { buildCatalog } from '../../../src/billing/catalog/build-catalog';
import type { Catalog, CatalogDocument } from '../../../src/billing/catalog/catalog';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import { waitForCursors } from '../../../src/ingest/wait-for-cursors';
import { checkClocks } from '../../../src/close/guards/check-clocks';
import { checkCursors } from '../../../src/ingest/guards/check-cursors';
import { openCloseFence } from '../../../src/close/guards/close-fence';
import { closeMonth, type CloseDependencies, type CloseReport } from '../../../src/close/close-month';
import { readCloseState } from '../../../src/close/close-state';
import { checkMayClose } from '../../../src/close/due-months';
import { monthsFrozenTooEarly } from '../../../src/installation/ledgers/frozen-too-early';
import { readCloseRecords } from '../../../src/installation/ledgers/restore-closes';
import { createLogger } from '../../../src/lib/logger';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { openKafka } from '../../../src/kafka/client';
import { appendLedger } from '../../../src/kafka/ledger/ledger';
import { readTopic } from '../../kit/kafka/read-topic';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { checkCoPartitioned, createTopics, topicName, usageTopics } from '../../../src/kafka/topics/topics';
import { freeze } from '../../../src/redis/cut-offs';
import { writeFrozenPart } from '../../../src/redis/usage/frozen-month';
import { readShardCount, writeShardCount } from '../../../src/redis/usage/read-usage';
import { beginRebuild, endRebuild } from '../../../src/redis/rebuilding';
import { openStore, type Store } from '../../../src/redis/store';
import { builtInCatalog, builtInDocument } from '../../kit/built-in-catalog';
import { beginCounting } from '../../kit/redis/begin-counting';
import { eventually, testBrokers, testRedisUrl, uniquePrefix } from '../../kit/services';

const PARTITIONS = 2;
const [JUNE, JULY] = ['2026-06', '2026-07'];
const HOUR_MS = 3_600_000;
const FIRST = Date.parse('2026-08-01T01:00:00.000Z');
const LATER = Date.parse('2026-08-09T01:00:00.000Z');

const calendar = createBillingCalendar('UTC');
const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
const opened: Publisher[] = [];
let plain: Publisher;
let store: Store;
let prefix: string;

beforeAll(async () => {
  plain = await createPublisher(client);
});
beforeEach(async () => {
  prefix = uniquePrefix();
  store = await openStore({ url: testRedisUrl(), prefix });
  await createTopics(client, prefix, { partitions: PARTITIONS, replication: 1, retentionDays: 100 });
  await beginCounting(client, store, plain, { prefix, partitions: PARTITIONS });
  for (const project of ['acme', 'globex']) {
    const value = JSON.stringify({ project, plans: [{ plan: 'ship', from: '2026-06-01' }] });
    await appendLedger(plain, topicName(prefix, 'billing.projects'), [{ key: project, value }]);
  }
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((publisher) => publisher.close()));
  await store.close();
});
afterAll(async () => {
  await plain.close();
  await client.close();
});

async function fence(): Promise<Publisher> {
  const publisher = await openCloseFence(client, prefix);
  opened.push(publisher);
  return publisher;
}

function close(
  month: string,
  nowMs: number,
  publisher: Publisher,
  more: Partial<CloseDependencies> = {},
): Promise<CloseReport> {
  return closeMonth(
    {
      ...{ kafka: client, store, publisher, totalsPublisher: plain, prefix, calendar },
      ...{ catalog: builtInCatalog, logger: createLogger('silent'), stallMs: 2_000, ...more },
    },
    month,
    nowMs,
  );
}

/** Does something before each record of a topic is published. */
function before(publisher: Publisher, topic: string, act: () => Promise<unknown>): Publisher {
  return {
    async publish(to, records) {
      if (to === topicName(prefix, topic)) await act();
      return publisher.publish(to, records);
    },
    close: () => publisher.close(),
  };
}

/** All that was ever published, withdrawn or not. */
async function issued(): Promise<Invoice[]> {
  const invoices: Invoice[] = [];
  await readTopic(client, topicName(prefix, 'billing.invoices'), (_, value) =>
    invoices.push(JSON.parse(value!) as Invoice),
  );
  return invoices;
}

async function mayClose(month: string, nowMs = LATER): Promise<void> {
  const state = await readCloseState(store, calendar, nowMs, await readCloseRecords(client, prefix));
  checkMayClose(month, state, nowMs, HOUR_MS, calendar);
}

test('of two closes at once, of other months, the first is fenced, and no number is given twice', async () => {
  const first = await fence();
  let goOn!: () => void;
  const waits = new Promise<void>((resolve) => (goOn = resolve));
  let arrive!: () => void;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const ofJune = close(
    JUNE,
    FIRST,
    before(first, 'billing.invoices', () => (arrive(), waits)),
  );
  const fenced = expect(ofJune).rejects.toMatchObject({ code: 'CLOSE_FENCED' });
  await arrived;

  const second = await fence();
  await expect(mayClose(JULY)).rejects.toMatchObject({ code: 'MONTH_UNFINISHED' });
  expect(await close(JUNE, LATER, second)).toMatchObject({ issued: 2 });
  await mayClose(JULY);
  expect(await close(JULY, LATER, second)).toMatchObject({ issued: 2 });
  goOn();
  await fenced;
  const numbers = (await issued()).map(({ id, number }) => `${id} ${number}`);
  expect(numbers.sort()).toEqual([
    'acme-2026-06 acme-0001',
    'acme-2026-07 acme-0002',
    'globex-2026-06 globex-0001',
    'globex-2026-07 globex-0002',
  ]);
});

test.each<[string, string, () => Promise<unknown>]>([
  ['a rebuild begins', 'REBUILD_UNFINISHED', () => beginRebuild(store, 1)],
  ['a rebuild comes to its end', 'REDIS_WENT_BACK', () => endRebuild(store, PARTITIONS)],
  ['the number of shards is lost', 'SHARDS_STALE', () => store.redis.del(store.keys.shardCount)],
  [
    'the number of shards is edited',
    'FEWER_SHARDS',
    () => store.redis.set(store.keys.shardCount, PARTITIONS + 1),
  ],
  ['Redis loses a plan', 'REDIS_WENT_BACK', () => store.redis.hdel(store.keys.projects, 'acme')],
  ['a cursor goes back', 'REDIS_WENT_BACK', () => setCursor(0)],
  ['Redis is emptied', 'REDIS_WENT_BACK', () => store.redis.del(store.keys.shard(0).seals)],
])('%s under a close: nothing is issued', async (_, code, spoil) => {
  const [topic] = usageTopics(prefix);
  await plain.publish(topic!, [{ key: 'acme', value: 'none', partition: 0 }]);
  await setCursor(1);
  const spoiling = before(plain, 'billing.totals', spoil);
  await expect(close(JUNE, FIRST, await fence(), { totalsPublisher: spoiling })).rejects.toMatchObject({
    code,
  });
  expect(await issued()).toEqual([]);
});

async function setCursor(offset: number): Promise<void> {
  await store.redis.hset(store.keys.shard(0).cursor, usageTopics(prefix)[0]!, offset);
}

test('a draft is dated when it is issued, and dates go up with numbers', async () => {
  const publisher = await fence();
  const totals: [string, string][] = [['inference.stt/a/new', '60']];
  const daily: [string, string][] = [['2026-06-10/inference.stt/a/new', '60']];
  await writeFrozenPart(store, { shard: 0, month: JUNE, project: 'acme', part: 0, totals, daily });
  expect(await close(JUNE, FIRST, publisher)).toMatchObject({ issued: 1, drafts: [{ project: 'acme' }] });
  // A draft keeps the next month back no longer than its own run.
  await mayClose(JULY);
  await close(JULY, LATER, publisher);

  const priced = withPrice('a/new');
  const muchLater = LATER + 40 * 86_400_000;
  expect(await close(JUNE, muchLater, publisher, { catalog: priced })).toMatchObject({
    ...{ issued: 1, alreadyIssued: 1, drafts: [] },
  });
  const ofAcme = (await issued()).filter(({ project }) => project === 'acme');
  expect(ofAcme.map(({ id, number, issuedAt }) => [id, number, issuedAt])).toEqual([
    ['acme-2026-07', 'acme-0001', new Date(LATER).toISOString()],
    ['acme-2026-06', 'acme-0002', new Date(muchLater).toISOString()],
  ]);
  expect((await readCloseRecords(client, prefix)).get(JUNE)).toMatchObject({ completed: true });
});

test('killed before it issued anything, a close goes on under its first date', async () => {
  const dying = before(await fence(), 'billing.invoices', () => Promise.reject(new Error('killed')));
  await expect(close(JUNE, FIRST, dying)).rejects.toThrow('killed');
  expect(await close(JUNE, LATER, await fence())).toMatchObject({ issued: 2 });
  const dates = new Set((await issued()).map(({ issuedAt }) => issuedAt));
  expect([...dates]).toEqual([new Date(FIRST).toISOString()]);
});

test('an invoice that would be dated before the one numbered before it bears the date of that', async () => {
  const publisher = await fence();
  await close(JUNE, LATER, publisher);
  await close(JULY, FIRST, publisher); // Under another clock.
  const ofJuly = (await issued()).filter(({ month }) => month === JULY);
  expect(ofJuly.map(({ issuedAt }) => issuedAt)).toEqual(Array(2).fill(new Date(LATER).toISOString()));
});

test('a close stops at settings that were replaced, and not at alerts, nor if it cannot note their ends', async () => {
  const publisher = await fence();
  const seen = (ledger: string) =>
    store.redis.hset(store.keys.ledgerEnds, `billing.${ledger}`, '9 another-id seen @0');
  await seen('settings');
  await expect(close(JUNE, FIRST, publisher)).rejects.toMatchObject({ code: 'TOPIC_REPLACED' });
  await store.redis.del(store.keys.ledgerEnds);
  await seen('alerts');
  expect(await close(JUNE, FIRST, publisher)).toMatchObject({ issued: 2 });

  await store.redis.del(store.keys.ledgerEnds);
  let asked = 0;
  const failing = async (topic: string): Promise<string | undefined> => {
    if (topic === topicName(prefix, 'billing.settings') && (asked += 1) > 1) throw new Error('Kafka is away');
    return client.topicId(topic);
  };
  const kafka = { ...client, topicId: failing };
  expect(await close(JULY, LATER, publisher, { kafka })).toMatchObject({ issued: 2 });
  expect(asked).toBe(2);
});

test('who a recount differs on is held, and the others are issued', async () => {
  const difference = { kind: 'total', month: JUNE, field: 'agent.session', expected: '60', found: '120' };
  const recount = (): Promise<Map<string, [typeof difference]>> =>
    Promise.resolve(new Map([['acme', [difference]]]));
  expect(await close(JUNE, FIRST, await fence(), { recount })).toMatchObject({
    issued: 1,
    held: [{ project: 'acme', code: 'RECOUNT_DIFFERS', detail: expect.stringContaining('120 in Redis, 60') }],
  });
  expect((await readCloseRecords(client, prefix)).get(JUNE)).toMatchObject({ issued: true });
});

describe('a wrong clock', () => {
  afterEach(() => void jest.restoreAllMocks());
  const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string;

  test('is noticed, and freezes nothing even if nobody compares it', async () => {
    await checkClocks(client, store, prefix);
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 40 * 86_400_000);
    await expect(checkClocks(client, store, prefix)).rejects.toMatchObject({
      code: 'CLOCK_SKEW',
      fields: { machine: iso, kafka: iso, redis: iso },
    });
    await expect(openCloseFence(client, prefix)).rejects.toMatchObject({ code: 'LEDGER_REFUSED' });
  });

  test('that froze a running month does not have it closed by a right one', async () => {
    for (let shard = 0; shard < PARTITIONS; shard += 1) await freeze(store, shard, JULY);
    await expect(mayClose(JULY, Date.parse('2026-07-20T00:00:00Z'))).rejects.toMatchObject({
      code: 'FROZEN_TOO_EARLY',
      message: expect.stringContaining('tallyman rebuild'),
    });
  });
});

describe('a frozen month that is not published', () => {
  const running = calendar.monthOfMs(Date.now());
  const early = (...months: string[]): Promise<string[]> =>
    monthsFrozenTooEarly(client, store, prefix, calendar, months);

  test('was frozen too early if records came in between its freeze and its end', async () => {
    for (const month of [JULY, running]) await freeze(store, 1, month);
    expect(await early(JULY, running)).toEqual([]);
    const topic = topicName(prefix, 'usage.agent');
    // Partition 0 has not frozen it: what it takes in proves nothing.
    await send(topic, 0);
    expect(await early(JULY, running)).toEqual([]);
    await send(topic, 1);
    expect(await early(JULY, running)).toEqual([running]);
  });

  async function send(topic: string, partition: number): Promise<void> {
    const producer = client.kafkajs.producer({ createPartitioner: () => () => partition });
    await producer.connect();
    await producer.send({ topic, messages: [{ value: '{}' }] });
    await producer.disconnect();
  }
});

describe('how many shards there are', () => {
  const check = (): Promise<unknown> => checkCursors(client, store, prefix, usageTopics(prefix));

  test.each([null, '1'])('is noted again from the partitions where Redis says %p', async (noted) => {
    if (noted === null) await store.redis.del(store.keys.shardCount);
    else await store.redis.set(store.keys.shardCount, noted);
    await expect(readShardCount(store)).rejects.toMatchObject({ code: 'SHARDS_STALE' });
    await check();
    expect(await readShardCount(store)).toBe(PARTITIONS);
  });

  test('is never more than there are partitions', async () => {
    await writeShardCount(store, PARTITIONS + 2);
    await expect(check()).rejects.toMatchObject({ code: 'FEWER_SHARDS' });
  });

  test('stays while partitions are added that nobody counts', async () => {
    const admin = await client.admin();
    await admin.createPartitions({
      topicPartitions: usageTopics(prefix).map((topic) => ({ topic, count: 4 })),
    });
    // Brokers hear of new partitions one topic after the other.
    await eventually(async () => (await checkCoPartitioned(client, prefix)) === 4);
    await expect(check()).rejects.toMatchObject({ code: 'PARTITIONS_ADDED' });
    expect(await readShardCount(store)).toBe(PARTITIONS);
  });
});

test('a close that an open transaction holds up says so and where', async () => {
  const [topic] = usageTopics(prefix);
  const producer = client.kafkajs.producer({
    transactionalId: prefix,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: topic!, messages: [{ partition: 1, value: 'open' }] });
  try {
    const { ends, layout } = await checkCursors(client, store, prefix, usageTopics(prefix));
    const progress = { update: () => undefined, end: () => undefined };
    const findOpen = (): ReturnType<typeof openTransactions> => openTransactions(client, usageTopics(prefix));
    await expect(
      waitForCursors(store, { shardCount: layout.shards, ends, findOpen, stallMs: 100, progress }),
    ).rejects.toMatchObject({
      ...{ code: 'TRANSACTION_OPEN', message: expect.stringContaining(`${topic}/1`) },
    });
  } finally {
    await transaction.abort();
    await producer.disconnect();
  }
});

function withPrice(model: string): Catalog {
  const document = structuredClone(builtInDocument) as unknown as {
    inference: { stt: { models: object[] } };
  };
  document.inference.stt.models.push({ model, from: '2024-01-01', price: '1' });
  const built = buildCatalog(document as unknown as CatalogDocument);
  if (!built.ok) throw new Error(built.problems.join());
  return built.catalog;
}
