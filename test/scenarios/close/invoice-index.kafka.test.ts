import { Redis } from 'ioredis';
import { openCloseFence } from '../../../src/close/guards/close-fence';
import { closeMonth, type CloseReport } from '../../../src/close/close-month';
import { followLedgers, type LedgerFollower } from '../../../src/installation/ledgers/follow-ledger';
import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import { appendLedger } from '../../../src/kafka/ledger/ledger';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { createTopics, topicName } from '../../../src/kafka/topics/topics';
import { createLogger } from '../../../src/lib/logger';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { openStore, type Store } from '../../../src/redis/store';
import { invoicedInOrder, readInvoicedBefore, readInvoices } from '../../../src/redis/views/invoices';
import { builtInCatalog } from '../../kit/built-in-catalog';
import { beginCounting } from '../../kit/redis/begin-counting';
import { readTopic } from '../../kit/kafka/read-topic';
import { startRedisCluster, type RedisCluster } from '../../kit/servers/redis-cluster';
import { testBrokers, uniquePrefix } from '../../kit/services';

const PARTITIONS = 2;
const MONTHS = ['2026-01', '2026-02', '2026-03', '2026-04'];
const [LAST, NEXT, PROJECT] = ['2026-04', '2026-05', 'project-7'];
const PROJECTS = Array.from({ length: 40 }, (_, i) => `project-${i}`);

const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
const prefix = uniquePrefix();
const ledger = topicName(prefix, 'billing.invoices');
let cluster: RedisCluster;
let store: Store;
let plain: Publisher;
let fence: Publisher;
/** How many records of the ledger of invoices were read. */
let read = 0;
/** By each close, in order. */
const reads: number[] = [];
let closedMonths = MONTHS.length;

const counting: KafkaClient = {
  ...client,
  async reader() {
    const reader = await client.reader();
    return {
      async fetch(request) {
        const fetched = await reader.fetch(request);
        if (request.topic === ledger) read += fetched.records.length;
        return fetched;
      },
    };
  },
};

beforeAll(async () => {
  [cluster, plain] = await Promise.all([
    startRedisCluster('--enable-debug-command', 'local'),
    createPublisher(client),
    createTopics(client, prefix, { partitions: PARTITIONS, replication: 1, retentionDays: 100 }),
  ]);
  store = await openStore({ url: `redis+cluster://${cluster.nodes[0]!.address}`, prefix });
  await beginCounting(client, store, plain, { prefix, partitions: PARTITIONS });
  await appendLedger(
    plain,
    topicName(prefix, 'billing.projects'),
    PROJECTS.map((project) => ({
      key: project,
      value: JSON.stringify({ project, plans: [{ plan: 'ship', from: '2026-01-01' }] }),
    })),
  );
  fence = await openCloseFence(client, prefix);
  for (const month of MONTHS)
    reads.push(
      await readBy(async () => expect(await close(month)).toMatchObject({ issued: PROJECTS.length })),
    );
});
afterAll(async () => {
  await Promise.all([fence, plain].map((publisher) => publisher.close()));
  await store.close();
  await cluster.stop();
  await client.close();
});

function close(month: string): Promise<CloseReport> {
  const calendar = createBillingCalendar('UTC');
  const publishers = { publisher: fence, totalsPublisher: plain };
  return closeMonth(
    {
      ...{ kafka: counting, store, ...publishers, prefix, calendar },
      ...{ catalog: builtInCatalog, logger: createLogger('silent'), stallMs: 20_000 },
    },
    month,
    calendar.monthEnd(month),
  );
}

const follow = (): LedgerFollower => followLedgers(counting, store, prefix).invoices;

async function readBy(act: () => Promise<unknown>): Promise<number> {
  const before = read;
  await act();
  return read - before;
}

/** Every document in the ledger is shown, byte for byte, and listed. */
async function expectWhole(): Promise<void> {
  const published: string[][] = [];
  await readTopic(client, ledger, (key, value) => published.push([String(key), value!]));
  const shown: string[][] = [];
  for (const project of PROJECTS)
    for (const [entry, json] of await readInvoices(store, project)) shown.push([`${project}-${entry}`, json]);
  expect(shown.sort()).toEqual(published.sort());
  for (const month of MONTHS) expect(await invoicedInOrder(store, month)).toEqual([...PROJECTS].sort());
}

/** Each master gets another id, as the replica does that takes its place. */
async function replaceMasters(): Promise<void> {
  for (const { port } of cluster.nodes) {
    const node = new Redis(port);
    await node.call('DEBUG', 'CHANGE-REPL-ID');
    node.disconnect();
  }
}

test('each close reads its own invoices, and none of the earlier ones', async () => {
  expect(reads).toEqual(MONTHS.map(() => PROJECTS.length));
  await expectWhole();
  expect(await readBy(() => follow().catchUp())).toBe(0);
});

/** From which month on the ledger is read again. */
test.each<[string, number, () => Promise<unknown>]>([
  ['nothing', Infinity, () => Promise.resolve()],
  [
    'the last month of some projects',
    MONTHS.indexOf(LAST),
    () =>
      Promise.all(
        PROJECTS.slice(5, 15).map((project) => store.redis.hdel(store.keys.invoices(project), LAST)),
      ),
  ],
  ['the list of a month', MONTHS.indexOf('2026-03'), () => store.redis.del(store.keys.invoiced('2026-03'))],
])('a master that lost %s shows it again, from there on', async (_, from, lose) => {
  await follow().catchUp();
  await lose();
  await replaceMasters();
  const again = await readBy(() => follow().catchUp());
  const most = Math.max(0, closedMonths - from) * PROJECTS.length;
  expect(again).toBeGreaterThanOrEqual(Math.min(1, most));
  expect(again).toBeLessThanOrEqual(most);
  await expectWhole();
  await follow().catchUp();
  expect(await readBy(() => follow().catchUp())).toBe(0);
});

test('an index that went back is brought up to the end, and one that is gone is made of the whole ledger', async () => {
  const following = follow();
  await following.catchUp();
  const [first, second] = store.keys.invoiceIndexes as [string, string];
  const position = (await store.redis.hget(first, ''))!;
  const offset = Number(position.split(' ')[0]);
  await store.redis.del(first);
  await store.redis.hset(first, '', position.replace(/^\d+/, String(offset - 1)));
  expect(await following.holds()).toBe(false);
  expect(await readBy(() => following.catchUp())).toBeLessThanOrEqual(1);
  expect(await following.holds()).toBe(true);

  await store.redis.del(second);
  expect(await following.holds()).toBe(false);
  expect(await readBy(() => follow().catchUp())).toBe(closedMonths * PROJECTS.length);
  await expectWhole();
});

test('two that follow at once leave nothing out', async () => {
  await Promise.all(
    [...store.keys.invoiceIndexes, ...PROJECTS.map((project) => store.keys.invoices(project))].map((key) =>
      store.redis.del(key),
    ),
  );
  await Promise.all([follow().catchUp(), follow().catchUp()]);
  await expectWhole();
});

test('whoever finds an invoice deleted by hand refuses to count numbers once, and the next one that follows restores it', async () => {
  await follow().catchUp();
  await store.redis.del(store.keys.invoices(PROJECT));
  const read = () => readInvoicedBefore(store, LAST, [PROJECT]);
  await expect(read()).rejects.toMatchObject({ code: 'REDIS_WENT_BACK' });
  await follow().catchUp();
  expect(await read()).toMatchObject([{ count: MONTHS.length }]);
  await follow().catchUp(); // Finds all of them, and notes it.

  await store.redis.del(store.keys.invoices(PROJECT));
  await expect(close(NEXT)).rejects.toMatchObject({
    code: 'REDIS_WENT_BACK',
    fields: { project: PROJECT, entry: MONTHS[0] },
  });
  expect(await close(NEXT)).toMatchObject({ issued: PROJECTS.length });
  closedMonths += 1;
  await expectWhole();
  const numbers = [...(await readInvoices(store, PROJECT)).values()].map(
    (json) => (JSON.parse(json) as { number: string }).number,
  );
  expect(numbers).toEqual([1, 2, 3, 4, 5].map((number) => `${PROJECT}-000${number}`));
});

test('a ledger that was recreated is refused', async () => {
  await follow().catchUp();
  const [first] = store.keys.invoiceIndexes as [string];
  const position = (await store.redis.hget(first, ''))!;
  const [next, , run] = position.split(' ');
  for (const index of store.keys.invoiceIndexes) await store.redis.hset(index, '', `${next} another ${run}`);
  await expect(follow().catchUp()).rejects.toMatchObject({ code: 'TOPIC_REPLACED' });
  for (const index of store.keys.invoiceIndexes)
    await store.redis.hset(index, '', `${Number(next) + 9} - ${run}`);
  await expect(follow().catchUp()).rejects.toMatchObject({ code: 'CURSOR_PAST_LOG_END' });
  for (const index of store.keys.invoiceIndexes) await store.redis.hset(index, '', position);
});
