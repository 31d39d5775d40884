import type { RatedEvent } from '../../../src/rating/usage';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor } from '../../../src/redis/cursors';
import { freeze } from '../../../src/redis/cut-offs';
import { readTotals, writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../kit/services';
import { readDaily } from '../../kit/redis/read-daily';
import { chunk, event } from '../../kit/redis/rated-events';

const TOPIC = 'usage.session';
const JULY = '2026-07';
const AUGUST = '2026-08';

let store: Store;
let prefix: string;
let next: number;

beforeEach(async () => {
  prefix = uniquePrefix();
  store = await openStore({ url: testRedisUrl(), prefix });
  await writeShardCount(store, 1);
  await initCursor(store, 0, TOPIC, 0);
  next = 0;
});

afterEach(async () => {
  await store.redis.del(await store.redis.keys(`${prefix}:*`));
  await store.close();
});

const one = (id: string, changes: Partial<RatedEvent> = {}): RatedEvent => event(0, { id, ...changes });
const voidOf = (id: string, changes: Partial<RatedEvent> = {}): RatedEvent =>
  one(id, { isVoid: true, ...changes });

/** Applies events one behind the other, in one chunk. */
async function send(...events: RatedEvent[]): ReturnType<typeof apply> {
  const placed = events.map((each, i) => ({ ...each, offset: next + i }));
  const answer = await apply(store, 0, chunk(TOPIC, next, placed));
  if (answer.answer === 'APPLIED') next += events.length;
  return answer;
}

const applied = (counts: object): object => ({
  ...{ answer: 'APPLIED', counted: 0, duplicates: 0, late: 0, voided: 0, unknownVoids: 0 },
  ...counts,
});
const totals = async (month: string): Promise<object> =>
  Object.fromEntries(await readTotals(store, 'acme', month));
const daily = async (month: string): Promise<object> =>
  Object.fromEntries(await readDaily(store, 'acme', month));

test('a void takes its event off the totals and the day, and leaves no zero', async () => {
  expect(await send(one('a'), one('b'), voidOf('a'))).toEqual(applied({ counted: 2, voided: 1 }));
  expect(await totals(JULY)).toEqual({ 'session.webrtc': 60n });
  expect(await daily(JULY)).toEqual({ '2026-07-15/session.webrtc': 60n });
  expect(await send(voidOf('b'))).toEqual(applied({ voided: 1 }));
  expect([await totals(JULY), await daily(JULY)]).toEqual([{}, {}]);
});

test('a second void, and the event sent again, change nothing', async () => {
  await send(one('a'), one('b'), voidOf('a'));
  expect(await send(voidOf('a'), one('a'))).toEqual(applied({ duplicates: 2 }));
  expect(await totals(JULY)).toEqual({ 'session.webrtc': 60n });
});

test('a void before its event comes to the same as one behind it', async () => {
  expect(await send(voidOf('a'), one('b'), one('a'), voidOf('a'))).toEqual(
    applied({ unknownVoids: 1, counted: 1, duplicates: 2 }),
  );
  expect(await totals(JULY)).toEqual({ 'session.webrtc': 60n });
});

test('of a closed month it is late usage below zero, and late usage may fill it again', async () => {
  await send(one('a'), one('b'));
  await freeze(store, 0, JULY);
  expect(await send(voidOf('a'))).toEqual(applied({ voided: 1 }));
  expect(await totals(JULY)).toEqual({ 'session.webrtc': 120n });
  expect(await totals(AUGUST)).toEqual({ '2026-07@session.webrtc': -60n });
  expect(await daily(AUGUST)).toEqual({ '2026-07-15/session.webrtc': -60n });
  expect(await store.redis.smembers(store.keys.projectsOfMonth(0, AUGUST))).toEqual(['acme']);
  expect(await send(one('c'))).toEqual(applied({ counted: 1, late: 1 }));
  expect([await totals(AUGUST), await daily(AUGUST)]).toEqual([{}, {}]);
});

test('it reaches events of the period before, and no further', async () => {
  await send(one('a'), one('b'));
  await freeze(store, 0, JULY);
  await send(voidOf('a'));
  await freeze(store, 0, AUGUST);
  // Remembered as long as its void, so that the event stays void.
  expect(await send(one('a'), voidOf('a'))).toEqual(applied({ duplicates: 2 }));
  expect(await send(voidOf('b'))).toEqual(applied({ unknownVoids: 1 }));
  expect(await totals('2026-09')).toEqual({});
});

test('one that would take back more than there is, is told apart and writes nothing', async () => {
  const usages = [{ meter: 'session.webrtc' as const, quantity: '120' }];
  await send(one('a'), one('b', { day: '2026-07-16' }));
  const wrong = voidOf('a', { usages });
  expect(await send(one('c', { day: '2026-07-17' }), wrong)).toMatchObject({
    ...{ answer: 'VOID_MISMATCH', offset: 3, applied: { counted: 1 } },
    detail: '2026-07-15/session.webrtc',
  });
  next = 3;
  expect(await totals(JULY)).toEqual({ 'session.webrtc': 180n });
  // It did not use up its id, so it counts once it is corrected.
  expect(await send(voidOf('a'))).toEqual(applied({ voided: 1 }));
});

test('what is held is compared beyond 2^53', async () => {
  const most = '9007199254740993';
  const of = (quantity: string): Pick<RatedEvent, 'usages'> => ({
    usages: [{ meter: 'session.webrtc', quantity }],
  });
  await send(one('a', of(most)));
  expect(await send(voidOf('a', of('9007199254740994')))).toMatchObject({ answer: 'VOID_MISMATCH' });
  expect(await send(voidOf('a', of(most)))).toEqual(applied({ voided: 1 }));
  expect(await totals(JULY)).toEqual({});
});

test('a chunk with voids that is sent again, whole or from where it stands, changes nothing', async () => {
  const events = [one('a'), one('b'), voidOf('a'), one('c')].map((each, offset) => ({ ...each, offset }));
  expect(await apply(store, 0, chunk(TOPIC, 0, events.slice(0, 3)))).toMatchObject({ answer: 'APPLIED' });
  expect(await apply(store, 0, chunk(TOPIC, 0, events))).toEqual({ answer: 'OVERLAP', cursor: 3 });
  expect(await apply(store, 0, chunk(TOPIC, 3, events.slice(3)))).toMatchObject({ answer: 'APPLIED' });
  expect(await apply(store, 0, chunk(TOPIC, 0, events))).toEqual({ answer: 'ALREADY_APPLIED', cursor: 4 });
  expect(await apply(store, 0, chunk(TOPIC, 5, [voidOf('b', { offset: 5 })]))).toEqual({
    answer: 'GAP',
    cursor: 4,
  });
  expect(await totals(JULY)).toEqual({ 'session.webrtc': 120n });
});
