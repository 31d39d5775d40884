import fc from 'fast-check';
import type { RatedEvent } from '../../../src/rating/usage';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { fingerprintBytes } from '../../../src/redis/apply/pack-chunk';
import { initCursor } from '../../../src/redis/cursors';
import { freeze } from '../../../src/redis/cut-offs';
import { openStore, type Store } from '../../../src/redis/store';
import { contentOf, readShard } from '../../kit/redis/shard-content';
import { TotalsModel } from '../../kit/redis/totals-model';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

const RUNS = 40;
const SHARD = 1;
const TOPIC = 'usage.session';
/** Partitions 1, 5 and 9 of an installation that began with 4. */
const LANES = [TOPIC, `${TOPIC}/5`, `${TOPIC}/9`];
const MONTHS = ['2026-01', '2026-02', '2026-03'];

let prefix: string;
/** Two processes. Each keeps the ids that it has read. */
let stores: [Store, Store];

beforeAll(async () => {
  prefix = uniquePrefix();
  const url = testRedisUrl();
  stores = [await openStore({ url, prefix }), await openStore({ url, prefix })];
});
afterAll(() => Promise.all(stores.map((store) => store.close())));

const shardKeys = (): Promise<string[]> => stores[0].redis.keys(`${prefix}:usage:{${SHARD}}:*`);

/** All of the shard, to go back to. */
async function copyShard(): Promise<() => Promise<void>> {
  const { redis } = stores[0];
  const copies: [string, Buffer][] = [];
  for (const key of await shardKeys()) copies.push([key, await redis.dumpBuffer(key)]);
  return async () => {
    for (const key of await shardKeys()) await redis.del(key);
    for (const [key, copy] of copies) await redis.restore(key, 0, copy);
  };
}

const body = fc.record({
  project: fc.constantFrom('p', 'q'),
  id: fc.nat({ max: 9 }).map(String),
  month: fc.constantFrom(...MONTHS),
  quantity: fc.constantFrom('1', '60'),
});
const slot = fc.oneof(
  { weight: 5, arbitrary: body.map((event) => ({ ...event, isVoid: false })) },
  { weight: 1, arbitrary: body.map((event) => ({ ...event, isVoid: true })) },
);
const member = fc.nat({ max: 1 });
const lane = fc.constantFrom(...LANES);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ do: fc.constant('apply' as const), member, lane },
      slots: fc.array(slot, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('freeze' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('save' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('go back' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), member }) },
);

function eventAt(
  offset: number,
  {
    project,
    id,
    month,
    quantity,
    isVoid,
  }: { [Field in 'project' | 'id' | 'month' | 'quantity']: string } & {
    isVoid: boolean;
  },
): RatedEvent {
  return {
    ...{ offset, project, source: '/s', id, month, day: `${month}-01` },
    usages: [{ meter: 'session.webrtc', quantity }],
    ...(isVoid && { isVoid }),
  };
}

test('several partitions in one shard, by two processes, on a Redis that goes back', async () => {
  let backs = 0;
  let behind = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
      for (const key of await shardKeys()) await stores[0].redis.del(key);
      stores.forEach((store) => store.dedupIndex.keepOnly(TOPIC, []));
      let model = new TotalsModel();
      for (const one of LANES) {
        model.cursors.set(one, 0);
        await initCursor(stores[0], SHARD, one, 0);
      }
      /** Lane -> what is published at each offset, whatever Redis makes of it. */
      const logs = new Map(LANES.map((one) => [one, [] as RatedEvent[]]));
      const copyModel = (): TotalsModel => Object.assign(new TotalsModel(), structuredClone(model));
      let saved = { model: copyModel(), back: await copyShard() };
      for (const one of steps) {
        switch (one.do) {
          case 'apply': {
            const log = logs.get(one.lane)!;
            const from = model.cursors.get(one.lane)!;
            for (const [i, made] of one.slots.entries())
              if (from + i >= log.length) log.push(eventAt(from + i, made));
            const next = from + one.slots.length;
            const chunk = { topic: TOPIC, lane: one.lane, from, next, events: log.slice(from, next) };
            const expected = model.apply(chunk);
            const answer = await apply(stores[one.member]!, SHARD, chunk);
            if (answer.answer === 'BEHIND') {
              behind += 1;
              expect({ ...expected, lane: '' }).toEqual({ ...answer, lane: '' });
            } else expect(answer).toEqual(expected);
            break;
          }
          case 'freeze': {
            const month = MONTHS[model.closed.size];
            const isWhole = [...model.closed.values()].every((at) =>
              [...at].every(([name, offset]) => offset <= model.cursors.get(name)!),
            );
            if (month === undefined || !isWhole) break;
            expect(await freeze(stores[0], SHARD, month)).toEqual(model.freeze(month));
            break;
          }
          case 'save':
            saved = { model: copyModel(), back: await copyShard() };
            break;
          case 'go back': {
            // The close is in the ledger: its cut-offs are restored before anything is counted.
            const { closed } = model;
            model = Object.assign(new TotalsModel(), structuredClone(saved.model), { closed });
            await saved.back();
            const key = stores[0].keys.shard(SHARD).closed;
            for (const [month, at] of closed)
              await stores[0].redis.hset(key, month, JSON.stringify(Object.fromEntries(at)));
            backs += 1;
            break;
          }
          case 'restart':
            stores[one.member]!.dedupIndex.keepOnly(TOPIC, []);
        }
        await expectSame(model);
      }
    }),
    { numRuns: RUNS, seed: 20_261_128 },
  );
  // Otherwise the test would have shown nothing.
  expect(backs).toBeGreaterThan(RUNS);
  expect(behind).toBeGreaterThan(10);
}, 120_000);

test('ids of the same number with the same last one are not taken for the same ids', async () => {
  for (const key of await shardKeys()) await stores[0].redis.del(key);
  stores.forEach((store) => store.dedupIndex.keepOnly(TOPIC, []));
  for (const lane of LANES) await initCursor(stores[0], SHARD, lane, 0);
  const before = await copyShard();
  const send = (member: number, lane: string, id: string): Promise<unknown> => {
    const events = [eventAt(0, { project: 'p', id, month: MONTHS[0]!, quantity: '60', isVoid: false })];
    return apply(stores[member]!, SHARD, { topic: TOPIC, lane, from: 0, next: 1, events });
  };
  const counted = { answer: 'APPLIED', counted: 1 };
  expect(await send(1, LANES[1]!, 'y')).toMatchObject(counted);
  expect(await send(0, LANES[0]!, 'x')).toMatchObject(counted);
  await before();
  expect(await send(1, LANES[2]!, 'z')).toMatchObject(counted);
  expect(await send(1, LANES[0]!, 'x')).toMatchObject(counted);
  // The first process holds y and x, Redis z and x.
  expect(await send(0, LANES[1]!, 'y')).toMatchObject(counted);
});

/** Redis holds what the model holds, and its ids are those of the model and marks. */
async function expectSame(model: TotalsModel): Promise<void> {
  const store = stores[0];
  const expected = contentOf(model, (identity) => {
    const [topic, project, source, id] = JSON.parse(identity) as [string, string, string, string];
    return fingerprintBytes(
      Uint32Array.from(store.fingerprinter.of(topic, { project, source, id })),
    ).toString('hex');
  });
  const found = await readShard(store, prefix, SHARD);
  expect({ ...found, ids: {} }).toEqual({ ...expected, ids: {} });
  for (const [period, ids] of Object.entries(expected.ids))
    expect(found.ids[period]).toEqual(expect.arrayContaining(ids));
}
