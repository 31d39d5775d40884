import { createLogger } from '../../../src/lib/logger';
import { watchLedgers } from '../../../src/installation/ledgers/watch-ledgers';
import { beginRebuild, endRebuild } from '../../../src/redis/rebuilding';
import { eventually } from '../../kit/eventually';
import type { Invoice, ProjectDocument } from '../../../schemas/types';
import { invoiceValue, projectValue } from '../../kit/kafka/ledger-values';
import { followLedgers, type LedgerFollower } from '../../../src/installation/ledgers/follow-ledger';
import {
  checkLedgerEnds,
  endRefusals,
  ENDS_TO_BILL_BY,
  forgetLedgerEnds,
} from '../../../src/installation/ledgers/ledger-ends';
import { restoreViews } from '../../../src/installation/ledgers/restore-views';
import { openLedgerWriter } from '../../../src/kafka/ledger/ledger';
import { openAppendOnceTopic } from '../../../src/kafka/ledger/append-once-topic';
import { logRanges } from '../../../src/kafka/topics/topics';
import type { KafkaClient } from '../../../src/kafka/client';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { readInvoices } from '../../../src/redis/views/invoices';
import { openStore, type Store } from '../../../src/redis/store';
import { createTopic, openTestKafka } from '../../kit/kafka/kafka-harness';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

let client: KafkaClient;
let publisher: Publisher;
let store: Store;
let prefix: string;

beforeAll(async () => {
  client = openTestKafka();
  publisher = await createPublisher(client);
});
afterAll(async () => {
  await publisher.close();
  await client.close();
});
beforeEach(async () => {
  prefix = uniquePrefix();
  for (const ledger of ['invoices', 'projects', 'closes'])
    await createTopic(client, { topic: `${prefix}.billing.${ledger}`, numPartitions: 1 });
  store = await openStore({ url: testRedisUrl(), prefix });
});
afterEach(() => store.close());

/** A record by the plan in its document; null withdraws the key. */
interface PlanRecord {
  readonly key: string;
  readonly plan: string | null;
}

const issue = (...records: PlanRecord[]): Promise<void> =>
  publisher.publish(
    `${prefix}.billing.invoices`,
    records.map(({ key, plan }) => ({ key, value: plan === null ? null : invoiceValue(key, plan) })),
  );
const follow = (): LedgerFollower => followLedgers(client, store, prefix).invoices;
const shown = async (project: string): Promise<[string, string][]> =>
  [...(await readInvoices(store, project))].map(([entry, json]) => [
    entry,
    (JSON.parse(json) as Invoice).plan,
  ]);

test('what is new is shown, of a document that was published twice the last', async () => {
  await issue(...Array.from({ length: 500 }, (_, i) => ({ key: `p-${i}-2026-06`, plan: `${i}` })));
  expect(await follow().catchUp()).toBe(500);
  expect(await follow().catchUp()).toBe(0);
  await issue({ key: 'p-7-2026-06', plan: 'again' }, { key: 'p-7-2026-07-CN', plan: 'note' });
  await issue({ key: 'p-8-2026-06', plan: null });
  expect(await follow().catchUp()).toBe(1);
  expect(await shown('p-7')).toEqual([
    ['2026-06', 'again'],
    ['2026-07-CN', 'note'],
  ]);
  expect(await shown('p-8')).toEqual([]);
  expect(await shown('p-9')).toEqual([['2026-06', '9']]);
});

test('a Redis that went back is shown again what it lost, also while it is shown', async () => {
  await issue({ key: 'p-2026-05', plan: 'may' });
  const following = follow();
  await following.catchUp();
  const kept = await store.redis.get(store.keys.invoicesShown);
  await issue({ key: 'p-2026-06', plan: 'june' });
  await following.catchUp();
  expect(await following.holds()).toBe(true);

  await store.redis.hdel(store.keys.invoices('p'), '2026-06');
  await store.redis.set(store.keys.invoicesShown, kept!);
  expect(await following.holds()).toBe(false);
  await following.catchUp();
  expect(await following.holds()).toBe(true);
  expect(await shown('p')).toEqual([
    ['2026-05', 'may'],
    ['2026-06', 'june'],
  ]);
});

test('a ledger that does not hold the leader epoch of what was shown is not the one that was shown', async () => {
  await issue({ key: 'p-2026-05', plan: 'may' });
  const following = follow();
  await following.catchUp();
  const shownTo = (await store.redis.get(store.keys.invoicesShown))!;
  expect(shownTo).toMatch(/^1 \S+ \S+ @0$/);
  await store.redis.set(store.keys.invoicesShown, shownTo.replace('@0', '@7'));
  for (const act of [() => following.holds(), () => follow().catchUp()])
    await expect(act()).rejects.toMatchObject({ code: 'LOG_DIVERGED' });
  expect(await follow().refusal()).toMatchObject({ code: 'LOG_DIVERGED' });
  // An older version stored no epoch. The next record brings it.
  await store.redis.set(store.keys.invoicesShown, shownTo.replace(' @0', ''));
  await issue({ key: 'p-2026-06', plan: 'june' });
  await follow().catchUp();
  expect(await store.redis.get(store.keys.invoicesShown)).toMatch(/^2 .* @0$/);
});

test('a leader that does not list the epoch of what it serves is not asked for ever', async () => {
  await issue({ key: 'p-2026-05', plan: 'may' });
  await follow().catchUp();
  const shownTo = (await store.redis.get(store.keys.invoicesShown))!;
  await store.redis.set(store.keys.invoicesShown, shownTo.replace('@0', '@7'));
  await issue({ key: 'p-2026-06', plan: 'june' });
  const epochEnds: KafkaClient['epochEnds'] = (_, questions) =>
    Promise.resolve(questions.map(({ epoch }) => (epoch === 7 ? { epoch, end: 1 } : { epoch: -1, end: -1 })));
  await expect(
    followLedgers({ ...client, epochEnds }, store, prefix).invoices.catchUp(),
  ).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', fields: { topic: `${prefix}.billing.invoices` } });
  expect(await shown('p')).toEqual([['2026-05', 'may']]);
});

test('the ends of ledgers without a view are noted, and one that lost its end is refused', async () => {
  const ledger = 'billing.alerts';
  const topic = `${prefix}.${ledger}`;
  await createTopic(client, { topic, numPartitions: 1 });
  const noted = () => store.redis.hget(store.keys.ledgerEnds, ledger);
  await checkLedgerEnds(client, store, prefix);
  expect(await noted()).toBeNull();
  const writer = await openLedgerWriter(client, topic);
  await writer.append([{ key: 'a', value: '{}' }]);
  await writer.close();
  await checkLedgerEnds(client, store, prefix);
  const text = (await noted())!;
  const [end, , , epoch] = text.split(' ');
  expect([end, epoch]).toEqual([String((await logRanges(client, [topic])).get(topic)![0]!.end), '@0']);
  expect(await endRefusals(client, store, prefix)).toEqual([]);
  for (const [lost, code] of [
    [text.replace('@0', '@7'), 'LOG_DIVERGED'],
    [text.replace(/^\d+/, '99'), 'CURSOR_PAST_LOG_END'],
    [text.replace(/ \S+/, ' another-id'), 'TOPIC_REPLACED'],
  ] as const) {
    await store.redis.hset(store.keys.ledgerEnds, ledger, lost);
    await expect(checkLedgerEnds(client, store, prefix)).rejects.toMatchObject({
      ...{ code, message: expect.stringContaining('then run `tallyman rebuild`') as string },
    });
    expect(await endRefusals(client, store, prefix)).toMatchObject([{ code, topic }]);
    // Nothing is billed by alerts.
    await checkLedgerEnds(client, store, prefix, ENDS_TO_BILL_BY);
  }

  // Another ledger is created: that of the settings.
  await forgetLedgerEnds(store, prefix, [`${prefix}.billing.settings`]);
  expect(await endRefusals(client, store, prefix)).toHaveLength(1);
  for (const forget of [
    () => forgetLedgerEnds(store, prefix, [topic]),
    () => restoreViews(client, store, prefix),
  ]) {
    await store.redis.hset(store.keys.ledgerEnds, ledger, text.replace(/ \S+/, ' another-id'));
    await forget();
    expect(await endRefusals(client, store, prefix)).toEqual([]);
    await checkLedgerEnds(client, store, prefix);
    expect((await noted())!.replace(/ seen /, ' ')).toEqual(text.replace(/ seen /, ' '));
  }
});

test('a ledger whose records were all deleted is empty, and what is written next is noted', async () => {
  const ledger = 'billing.settings';
  const topic = `${prefix}.${ledger}`;
  await createTopic(client, { topic, numPartitions: 1 });
  await publisher.publish(topic, [{ key: 'a', value: '{}' }]);
  const admin = await client.admin();
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
  expect((await logRanges(client, [topic])).get(topic)).toEqual([{ start: 1, end: 1 }]);
  await checkLedgerEnds(client, store, prefix);
  expect(await store.redis.hget(store.keys.ledgerEnds, ledger)).toBeNull();
  await publisher.publish(topic, [{ key: 'b', value: '{}' }]);
  await checkLedgerEnds(client, store, prefix);
  expect(await store.redis.hget(store.keys.ledgerEnds, ledger)).toMatch(/^2 /);
});

test('two that follow at once leave nothing out', async () => {
  await issue(...Array.from({ length: 3_000 }, (_, i) => ({ key: `p-${i}-2026-06`, plan: `${i}` })));
  const added = await Promise.all([follow().catchUp(), follow().catchUp()]);
  expect(added[0] + added[1]).toBe(3_000);
  expect(await store.redis.scard(store.keys.invoiced('2026-06'))).toBe(3_000);
  expect(await shown('p-2999')).toEqual([['2026-06', '2999']]);
});

test('a ledger that ends before what was shown is not the one that was shown', async () => {
  await store.redis.set(store.keys.invoicesShown, '5');
  await expect(follow().catchUp()).rejects.toMatchObject({ code: 'CURSOR_PAST_LOG_END' });
  await store.redis.set(store.keys.invoicesShown, '0 another-id run');
  await expect(follow().catchUp()).rejects.toMatchObject({ code: 'TOPIC_REPLACED' });
});

test('a month that Redis lost of the closes is shown again', async () => {
  const closes = ['2026-06', '2026-07'].map((month) => ({
    key: month,
    value: JSON.stringify({ month, closedAt: '2026-08-01T01:00:00.000Z', cursors: {} }),
  }));
  await publisher.publish(`${prefix}.billing.closes`, closes);
  const followCloses = (): LedgerFollower => followLedgers(client, store, prefix).closes;
  await followCloses().catchUp();
  await store.redis.hdel(store.keys.closes, '2026-06');
  expect(await followCloses().catchUp()).toBe(2);
  expect(Object.keys(await store.redis.hgetall(store.keys.closes)).sort()).toEqual(['2026-06', '2026-07']);
});

test('a watch reports a ledger that cannot be followed, and a rebuild, for as long as they last', async () => {
  const watch = await watchLedgers(client, store, prefix, createLogger('silent'));
  const reports = (expected: string | undefined): Promise<unknown> =>
    eventually(
      () => {
        const { code, subject } = watch.problem() ?? {};
        return (code && `${code} ${subject}`) === expected;
      },
      { timeoutMs: 60_000, what: `the watch reports ${expected}` },
    );
  try {
    await reports(undefined);
    const shownTo = await store.redis.getset(store.keys.closesShown, '0 another-id run 0');
    await reports(`LEDGER_UNSEEN ${prefix}.billing.closes`);
    await store.redis.set(store.keys.closesShown, shownTo!);
    await reports(undefined);
    await beginRebuild(store, 1);
    await reports('REBUILD_UNFINISHED Redis');
    await endRebuild(store, 1);
    await reports(undefined);
  } finally {
    watch.stop();
  }
});

describe('projects', () => {
  const set = (...records: PlanRecord[]): Promise<void> =>
    publisher.publish(
      `${prefix}.billing.projects`,
      records.map(({ key, plan }) => ({ key, value: plan === null ? null : projectValue(key, plan) })),
    );
  const followProjects = (): LedgerFollower => followLedgers(client, store, prefix).projects;
  const shownProjects = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      Object.entries(await store.redis.hgetall(store.keys.projects)).map(([project, json]) => [
        project,
        (JSON.parse(json) as ProjectDocument).plans[0]!.plan,
      ]),
    );

  test('what Redis lost of them is shown again: a tail, a field, all', async () => {
    await set({ key: 'acme', plan: 'ship' }, { key: 'bolt', plan: 'ship' });
    const following = followProjects();
    expect(await following.catchUp()).toBe(2);
    const before = await store.redis.get(store.keys.projectsShown);
    await set({ key: 'bolt', plan: 'scale' }, { key: 'acme', plan: null });
    expect(await following.catchUp()).toBe(0);
    expect(await shownProjects()).toEqual({ bolt: 'scale' });
    expect(await following.holds()).toBe(true);

    // Redis goes back: view and position together.
    await store.redis.hset(
      store.keys.projects,
      'acme',
      projectValue('acme', 'ship'),
      'bolt',
      projectValue('bolt', 'ship'),
    );
    await store.redis.set(store.keys.projectsShown, before!);
    expect(await following.holds()).toBe(false);
    await followProjects().catchUp();
    expect(await shownProjects()).toEqual({ bolt: 'scale' });
    expect(await following.holds()).toBe(true);

    for (const lose of [
      () => store.redis.del(store.keys.projects),
      () => store.redis.del(store.keys.projectsShown),
      () => store.redis.hset(store.keys.projects, 'of nobody', '{}'),
    ]) {
      await lose();
      expect(await following.holds()).toBe(false);
      await followProjects().catchUp();
      expect(await shownProjects()).toEqual({ bolt: 'scale' });
      // Begun again: what was read meanwhile may have been read of half a view.
      expect(await following.holds()).toBe(false);
      await following.catchUp();
    }
  });

  test('the end of a ledger is reached behind the marker of a transaction', async () => {
    const log = await openAppendOnceTopic(client, prefix, 'billing.projects', () => true);
    await log.append([{ key: 'acme', value: projectValue('acme', 'ship') }]);
    await log.close();
    await followProjects().catchUp();
    const { end } = (await logRanges(client, [`${prefix}.billing.projects`])).values().next().value![0]!;
    expect(await store.redis.get(store.keys.projectsShown)).toMatch(new RegExp(`^${end} `));
  });
});
