import { LOOP_LIMIT_MS } from '../../../src/ingest/health/check-health';
import type { ApplyAnswer, Chunk } from '../../../src/redis/apply/chunk';
import { RedisUnavailableError } from '../../../src/redis/redis-errors';
import { eventually } from '../../kit/eventually';
import {
  countTo,
  fatalOf,
  MemoryDeadLetters,
  MemoryTotals,
  rateAnything,
  testTopic,
  type TestTopic,
} from '../../kit/kafka/kafka-harness';

let usage: TestTopic;
beforeEach(async () => (usage = await testTopic(3)));
afterEach(() => usage.close());

const shards = [0, 1, 2];

it('applies every event once and in order, and commits how far it came', async () => {
  const totals = new MemoryTotals(3);
  for (const shard of shards) await usage.fill(shard, 2_500);
  const runner = usage.runner(totals);
  await runner.start();
  for (const shard of shards) await eventually(() => totals.offsets(shard).length >= 2_500);
  for (const shard of shards) expect(totals.offsets(shard)).toEqual(countTo(2_500));
  expect(totals.chunks.every(({ events }) => events.length <= 1_000)).toBe(true);
  expect(runner.status()).toMatchObject({ topic: usage.topic, counted: 7_500, rejected: 0 });

  await usage.fill(1, 10);
  await eventually(() => totals.offsets(1).length >= 2_510);
  await runner.stop();
  const admin = await usage.client.admin();
  const [committed] = await admin.fetchOffsets({ groupId: usage.groupId, topics: [usage.topic] });
  expect(committed?.partitions.map(({ offset }) => offset).sort()).toEqual(['2500', '2500', '2510']);
  expect(runner.fatal).toEqual([]);
});

it('shows how far each partition is, also of one that is idle', async () => {
  const totals = new MemoryTotals(3);
  await usage.fill(0, 5);
  const runner = usage.runner(totals);
  await runner.start();
  await eventually(() => runner.status().partitions.every(({ cursor }) => cursor !== undefined));
  await eventually(() => totals.offsets(0).length === 5);
  const status = runner.status();
  expect(status.idleMs).toBeLessThan(LOOP_LIMIT_MS);
  expect(status.partitions).toEqual([
    { partition: 0, cursor: 5 },
    { partition: 1, cursor: 0 },
    { partition: 2, cursor: 0 },
  ]);
});

it('reads nothing again and leaves nothing out when it is stopped in mid-stream and another goes on', async () => {
  const totals = new MemoryTotals(3);
  for (const shard of shards) await usage.fill(shard, 5_000);
  const first = usage.runner(totals);
  let chunks = 0;
  totals.onApply = () => {
    if (++chunks === 3) void first.stop();
  };
  await first.start();
  await eventually(() => chunks >= 3);
  await first.stop();
  const applied = shards.reduce((sum, shard) => sum + totals.offsets(shard).length, 0);
  expect(applied).toBeGreaterThan(0);
  expect(applied).toBeLessThan(15_000);
  await usage.runner(totals).start();
  for (const shard of shards) await eventually(() => totals.offsets(shard).length >= 5_000);
  for (const shard of shards) expect(totals.offsets(shard)).toEqual(countTo(5_000));
});

it('hands its partitions on as members come and go', async () => {
  const totals = new MemoryTotals(3);
  const fill = async (): Promise<void> => {
    for (const shard of shards) await usage.fill(shard, 1_000);
  };
  await fill();
  const first = usage.runner(totals);
  await first.start();
  const second = usage.runner(totals);
  await second.start();
  await fill();
  await eventually(() => first.status().partitions.length + second.status().partitions.length === 3);
  expect(second.status().partitions).not.toHaveLength(0);
  await fill();
  await first.stop();
  await fill();
  for (const shard of shards) await eventually(() => totals.offsets(shard).length >= 4_000);
  for (const shard of shards) expect(totals.offsets(shard)).toEqual(countTo(4_000));
  expect([...first.fatal, ...second.fatal]).toEqual([]);
});

it('publishes bad events before the cursor passes them', async () => {
  const totals = new MemoryTotals(3);
  const deadLetters = new MemoryDeadLetters();
  const cursorsAtPublish: (number | undefined)[] = [];
  await usage.publisher.publish(usage.topic, [
    { key: 'a', value: 'good', partition: 0, timestampMs: 1_790_000_000_000 },
    { key: 'b', value: 'bad', partition: 0, timestampMs: 1_790_000_000_001, headers: { h: 'x' } },
    { key: null, value: null, partition: 0, timestampMs: 1_790_000_000_002 },
  ]);
  const runner = usage.runner(totals, {
    deadLetters: {
      publish(records) {
        cursorsAtPublish.push(totals.cursors.get(0));
        return deadLetters.publish(records);
      },
    },
    rate: (message) =>
      String(message.value) === 'good'
        ? rateAnything(message)
        : { ok: false, reason: 'malformed_json', detail: 'no JSON' },
  });
  await runner.start();
  await eventually(() => totals.cursors.get(0) === 3);
  expect(totals.offsets(0)).toEqual([0]);
  expect(cursorsAtPublish).toEqual([0]);
  expect(deadLetters.records).toMatchObject([
    { topic: usage.topic, partition: 0, offset: 1, timestampMs: 1_790_000_000_001, key: Buffer.from('b') },
    { offset: 2, key: null, value: null },
  ]);
  expect(deadLetters.records[0]?.headers).toEqual({ h: Buffer.from('x') });
  expect(runner.status().rejected).toBe(2);
});

it('publishes a dead letter once and counts what was applied, however often its chunk waits', async () => {
  let tries = 0;
  class WaitingTotals extends MemoryTotals {
    override async apply(partition: number, chunk: Chunk): Promise<ApplyAnswer> {
      tries += 1;
      if (tries === 1) throw new RedisUnavailableError('here', 'away');
      if (tries === 2) return { answer: 'BEHIND', lane: 'other' };
      if (tries > 3) return super.apply(partition, chunk);
      const half = await super.apply(partition, { ...chunk, next: 2, events: chunk.events.slice(0, 1) });
      if (half.answer !== 'APPLIED') throw new Error(half.answer);
      return { answer: 'BEHIND', lane: 'other', applied: half };
    }
  }
  const totals = new WaitingTotals(3);
  const deadLetters = new MemoryDeadLetters();
  const observed: number[] = [];
  await usage.publisher.publish(
    usage.topic,
    ['good', 'bad', 'bad', 'good'].map((value) => ({ key: null, value, partition: 0 })),
  );
  const runner = usage.runner(totals, {
    deadLetters,
    rate: (message) =>
      String(message.value) === 'good'
        ? rateAnything(message)
        : { ok: false, reason: 'malformed_json', detail: 'no JSON' },
    metrics: {
      observeDelay: () => undefined,
      observeDeadLetters: (letters) => void observed.push(...letters.map(({ offset }) => offset)),
    },
  });
  await runner.start();
  await eventually(() => totals.cursors.get(0) === 4);
  await runner.stop();
  expect(tries).toBeGreaterThan(3);
  expect(totals.offsets(0)).toEqual([0, 3]);
  expect(deadLetters.records.map(({ offset }) => offset)).toEqual([1, 2]);
  expect(observed).toEqual([1, 2]);
  expect(runner.status()).toMatchObject({ counted: 2, rejected: 2 });
});

it('does not pass a bad event whose dead letter cannot be published', async () => {
  const totals = new MemoryTotals(3);
  await usage.fill(0, 3);
  const runner = usage.runner(totals, {
    deadLetters: { publish: () => Promise.reject(new Error('no dead letters today')) },
    rate: () => ({ ok: false, reason: 'malformed_json', detail: 'no JSON' }),
  });
  await runner.start();
  expect(await fatalOf(runner)).toMatchObject({ message: 'no dead letters today' });
  expect(totals.cursors.get(0)).toBe(0);
});

it('gives the rating a record of more than a mebibyte', async () => {
  const totals = new MemoryTotals(3);
  const sizes: (number | undefined)[] = [];
  await usage.publisher.publish(usage.topic, [
    { key: null, value: Buffer.alloc(1_900_000, 'x'), partition: 0 },
    { key: null, value: 'small', partition: 0 },
  ]);
  await usage
    .runner(totals, {
      rate(message) {
        sizes.push(message.value?.length);
        return rateAnything(message);
      },
    })
    .start();
  await eventually(() => totals.cursors.get(0) === 2);
  expect(sizes).toEqual([1_900_000, 5]);
});

/**
 * Before the first apply, another owner of the partition has counted it up to an offset.
 *
 * @returns whether it has happened
 */
function anotherOwnerCounts(totals: MemoryTotals, upto: number): () => boolean {
  let hasCounted = false;
  totals.onApply = () => {
    if (hasCounted) return;
    hasCounted = true;
    totals.applied.set(0, countTo(upto));
    totals.cursors.set(0, upto);
  };
  return () => hasCounted;
}

describe('what the totals answer', () => {
  it('OVERLAP: only what they lack is sent again', async () => {
    const totals = new MemoryTotals(3);
    await usage.fill(0, 100);
    anotherOwnerCounts(totals, 40);
    await usage.runner(totals).start();
    await eventually(() => totals.cursors.get(0) === 100);
    expect(totals.offsets(0)).toEqual(countTo(100));
  });

  it('ALREADY_APPLIED: goes on', async () => {
    const totals = new MemoryTotals(3);
    await usage.fill(0, 100);
    const hasCounted = anotherOwnerCounts(totals, 100);
    const runner = usage.runner(totals);
    await runner.start();
    await eventually(hasCounted);
    await usage.fill(0, 50);
    await eventually(() => totals.cursors.get(0) === 150);
    expect(totals.offsets(0)).toEqual(countTo(150));
    expect(runner.status().counted).toBe(50);
  });

  it('GAP: they lost their tail, so what the ledger holds is restored and the log is read again', async () => {
    const totals = new MemoryTotals(3);
    await usage.fill(0, 3_000);
    let chunks = 0;
    totals.onApply = () => {
      if (++chunks === 3) totals.goBack(0, 500);
    };
    const runner = usage.runner(totals);
    await runner.start();
    await eventually(() => totals.offsets(0).length >= 3_000);
    expect(totals.offsets(0)).toEqual(countTo(3_000));
    expect(totals.restores).toBe(1);
    expect(runner.fatal).toEqual([]);
  });

  it('a cursor that went back is also seen where nothing new arrives', async () => {
    const totals = new MemoryTotals(3);
    await usage.fill(0, 100);
    const runner = usage.runner(totals);
    await runner.start();
    await eventually(() => totals.cursors.get(0) === 100);
    totals.goBack(0, 30);
    await eventually(() => totals.cursors.get(0) === 100);
    expect(totals.offsets(0)).toEqual(countTo(100));
    expect(totals.restores).toBe(1);
  });

  it('UNINITIALISED: stops, with its place', async () => {
    const totals = new MemoryTotals(2);
    const runner = usage.runner(totals);
    await runner.start();
    expect(await fatalOf(runner)).toMatchObject({
      code: 'UNINITIALISED',
      fields: { topic: usage.topic },
    });
  });

  it('UNINITIALISED of totals that were emptied meanwhile: stops', async () => {
    const totals = new MemoryTotals(3);
    await usage.fill(0, 10);
    const runner = usage.runner(totals);
    await runner.start();
    await eventually(() => totals.cursors.get(0) === 10);
    totals.cursors.clear();
    await usage.fill(0, 10);
    expect(await fatalOf(runner)).toMatchObject({ code: 'UNINITIALISED' });
    expect(totals.offsets(0)).toEqual(countTo(10));
  });

  it('REJECTED: stops, and applies nothing after it', async () => {
    const totals = new MemoryTotals(3);
    await usage.fill(0, 3_000);
    const apply = totals.apply.bind(totals);
    totals.apply = (shard, chunk) =>
      chunk.from === 1_000
        ? Promise.resolve({ answer: 'REJECTED', detail: 'a total would pass 2^63-1' })
        : apply(shard, chunk);
    const runner = usage.runner(totals);
    await runner.start();
    expect(await fatalOf(runner)).toMatchObject({
      code: 'APPLY_REJECTED',
      fields: {
        topic: usage.topic,
        partition: 0,
        from: 1_000,
        next: 2_000,
        detail: 'a total would pass 2^63-1',
      },
    });
    await runner.stop();
    expect(totals.cursors.get(0)).toBe(1_000);
  });
});

it('stops before it started, twice, and after a failure', async () => {
  const idle = usage.runner(new MemoryTotals(3));
  await Promise.all([idle.stop(), idle.stop()]);
  const failed = usage.runner(new MemoryTotals(0));
  await failed.start();
  await fatalOf(failed);
  await failed.stop();
  await failed.stop();
  expect(failed.fatal).toHaveLength(1);
});
