import { readCloseState } from '../../../src/close/close-state';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { initCursor } from '../../../src/redis/cursors';
import { freeze } from '../../../src/redis/cut-offs';
import { writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

const calendar = createBillingCalendar('UTC');
const NOW = Date.parse('2026-11-23T00:00:00Z');

let store: Store;
beforeEach(async () => {
  store = await openStore({ url: testRedisUrl(), prefix: uniquePrefix() });
  await writeShardCount(store, 3);
});
afterEach(() => store.close());

test('usage of any time is found, whatever shard holds it', async () => {
  for (const [shard, month] of ['1969-12', '1987-03', '2026-11'].entries()) {
    await store.redis.sadd(store.keys.projectsOfMonth(shard, month), 'acme');
  }
  await store.redis.sadd(store.keys.projectsOfMonth(2, '1987-03'), 'globex');
  const { openMonthsWithUsage } = await readCloseState(store, calendar, NOW);
  expect(openMonthsWithUsage).toEqual(['1969-12', '1987-03', '2026-11']);
});

test('a month is closed by its record; what is frozen alone, or not issued to its end, is told apart', async () => {
  for (const shard of [0, 1, 2]) await initCursor(store, shard, 'usage.session', 0);
  const months = { '2026-06': { completed: true }, '2026-07': { issued: true }, '2026-08': {} };
  for (const [month, left] of Object.entries(months)) {
    for (const shard of [0, 1, 2]) await freeze(store, shard, month);
    await store.redis.hset(
      store.keys.closes,
      month,
      JSON.stringify({ month, closedAt: '', cursors: {}, ...left }),
    );
    await store.redis.sadd(store.keys.projectsOfMonth(0, month), 'acme');
  }
  await freeze(store, 1, '2026-09');
  await store.redis.sadd(store.keys.projectsOfMonth(0, '2026-09'), 'acme');
  expect(await readCloseState(store, calendar, NOW)).toEqual({
    closedMonths: ['2026-06', '2026-07', '2026-08'],
    unfinishedMonths: ['2026-07', '2026-08'],
    interruptedMonths: ['2026-08'],
    frozenMonths: ['2026-09'],
    openMonthsWithUsage: ['2026-09'],
  });
});
