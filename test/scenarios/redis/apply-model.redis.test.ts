import fc from 'fast-check';
import type { RatedEvent } from '../../../src/rating/usage';
import { apply } from '../../../src/redis/apply/apply-chunk';
import type { Chunk } from '../../../src/redis/apply/chunk';
import { initCursor } from '../../../src/redis/cursors';
import { freeze, restoreFreeze } from '../../../src/redis/cut-offs';
import { forgetIds } from '../../../src/redis/apply/forget-ids';
import { fingerprintBytes } from '../../../src/redis/apply/pack-chunk';
import { openStore, type Store } from '../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../kit/services';
import { contentOf, readShard } from '../../kit/redis/shard-content';
import { TotalsModel } from '../../kit/redis/totals-model';

const RUNS = 250;
const SHARD = 3;
const TOPICS = ['usage.session', 'usage.inference'];
const OF_INFERENCE = { 'session.webrtc': 'inference.stt', 'transfer.upstream': 'inference.tts' } as const;
const MONTHS = ['2025-11', '2025-12', '2026-01', '2026-02'];

/**
 * What an event is besides its offset. Few values, so that duplicates and shared totals are common.
 */
const eventBody = fc.record({
  project: fc.constantFrom('p', 'q', '__proto__'),
  source: fc.constantFrom('/a', '/b'),
  id: fc.constantFrom('1', '2', '3', '4', '5', '\ud800', '\ud801'),
  month: fc.constantFrom(...MONTHS),
  date: fc.constantFrom('01', '02'),
  usages: fc.array(
    fc.record({
      meter: fc.constantFrom('session.webrtc' as const, 'transfer.upstream' as const),
      quantity: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom('1', '60', '10000000', '999999999999999') },
        // Around 2^53, where floating point begins to lie, and so much that totals overflow.
        { weight: 1, arbitrary: fc.bigInt(2n ** 53n - 3n, 2n ** 53n + 3n).map(String) },
        { weight: 1, arbitrary: fc.constantFrom('4611686018427387903', '9223372036854775807') },
      ),
    }),
    { maxLength: 3 },
  ),
});
type EventBody = typeof eventBody extends fc.Arbitrary<infer T> ? T : never;

/** Usages, voids of what was once applied (`voidOf` picks one), and voids of anything. */
const slot = fc.oneof(
  { weight: 4, arbitrary: eventBody },
  { weight: 2, arbitrary: fc.record({ voidOf: fc.nat() }) },
  { weight: 1, arbitrary: eventBody.map((body) => ({ ...body, isVoid: true as const })) },
);

interface Real {
  readonly store: Store;
  readonly prefix: string;
}
type Command = fc.AsyncCommand<TotalsModel, Real>;

/** After each command, everything in Redis is what the model says. */
async function expectSame(model: TotalsModel, { store, prefix }: Real): Promise<void> {
  const fingerprintOf = (identity: string): string => {
    const [topic, project, source, id] = JSON.parse(identity) as [string, string, string, string];
    const halves = new Uint32Array(2);
    store.fingerprinter.begin(topic);
    store.fingerprinter.write(halves, 0, project, source, id);
    return fingerprintBytes(halves).toString('hex');
  };
  expect(await readShard(store, prefix, SHARD)).toEqual(contentOf(model, fingerprintOf));
}

function command(description: string, run: (model: TotalsModel, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real);
      await expectSame(model, real);
    },
    toString: () => description,
  };
}

/** The error's code where there is one. */
async function outcome<T>(promise: Promise<T>): Promise<T | string> {
  return promise.catch((error: unknown) => (error as { code: string }).code);
}

const initialise = fc.constantFrom(...TOPICS).map((topic) =>
  command(`init ${topic}`, async (model, { store }) => {
    const created = !model.cursors.has(topic);
    if (created) model.cursors.set(topic, 0);
    expect(await initCursor(store, SHARD, topic, 0)).toBe(created);
  }),
);

/**
 * A chunk that begins `shift` before or after the cursor; offsets that were applied before hold
 * what they held.
 */
const applyChunk = fc
  .record({
    topic: fc.constantFrom(...TOPICS),
    shift: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: -6, max: 2 }) },
    ),
    slots: fc.array(fc.option(slot, { freq: 8 }), { maxLength: 8 }),
    epoch: fc.option(fc.nat({ max: 2 }), { nil: undefined }),
    lastClosed: fc.oneof(
      { weight: 6, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom(...MONTHS) },
    ),
  })
  .map(({ topic, shift, slots, epoch, lastClosed }) =>
    command(
      `apply ${topic} ${shift} ${epoch} ${lastClosed} ${JSON.stringify(slots)}`,
      async (model, { store }) => {
        const from = Math.max(0, (model.cursors.get(topic) ?? 0) + shift);
        const known = model.log.get(topic);
        const counted = [...(known?.values() ?? [])];
        const events = slots.flatMap((body, i): RatedEvent[] => {
          const before = known?.get(from + i);
          if (before) return [before];
          if (!body) return [];
          if (!('voidOf' in body)) return [eventAt(topic, from + i, body)];
          const voided = counted[body.voidOf % Math.max(1, counted.length)];
          return voided ? [{ ...voided, offset: from + i, isVoid: true }] : [];
        });
        const chunk: Chunk = { topic, from, next: from + slots.length, epoch, events };
        const expected = model.apply(chunk, lastClosed);
        expect(await apply(store, SHARD, chunk, lastClosed)).toEqual(expected);
        if (expected.answer !== 'EPOCH') return;
        const asked = { ...chunk, follows: expected.epoch };
        expect(await apply(store, SHARD, asked, lastClosed)).toEqual(model.apply(asked, lastClosed));
      },
    ),
  );

const freezeMonth = fc.constantFrom(...MONTHS).map((month) =>
  command(`freeze ${month}`, async (model, { store }) => {
    const expected = model.freeze(month);
    expect(await outcome(freeze(store, SHARD, month))).toEqual(expected);
  }),
);

/**
 * As before a replay: a freeze at or beyond the cursors; or, if it was lost unnoticed, before one.
 */
const ahead = fc.integer({ min: -1, max: 6 });
const restore = fc
  .record({ month: fc.constantFrom(...MONTHS), ahead: fc.tuple(ahead, ahead) })
  .map(({ month, ahead }) =>
    command(`restore ${month} ${ahead.join()}`, async (model, { store }) => {
      const cursors = new Map(
        TOPICS.map((topic, i) => [topic, Math.max(0, (model.cursors.get(topic) ?? 0) + ahead[i]!)] as const),
      );
      const expected = model.restoreFreeze(month, cursors);
      expect(await outcome(restoreFreeze(store, SHARD, month, cursors))).toEqual(expected);
    }),
  );

const forget = fc.constant(
  command('forget ids', async (model, { store }) => {
    model.forgetIds();
    await forgetIds(store, SHARD);
  }),
);

const flushScripts = fc.constant(
  command('SCRIPT FLUSH', async (_, { store }) => {
    await store.redis.script('FLUSH');
  }),
);

/**
 * Redis lost everything. The freezes come back from the ledger, the log is replayed in chunks of
 * another size.
 */
const loseAndReplay = fc.integer({ min: 1, max: 12 }).map((chunkSize) =>
  command(`lose everything, replay by ${chunkSize}`, async (model, { store, prefix }) => {
    await removeShard(store, prefix);
    for (const [month, cursors] of model.closed) await restoreFreeze(store, SHARD, month, cursors);
    for (const [topic, end] of model.cursors) {
      await initCursor(store, SHARD, topic, 0);
      const events = [...(model.log.get(topic)?.values() ?? [])].sort((a, b) => a.offset - b.offset);
      if (end > 0) model.epochs.set(topic, -1);
      for (let from = 0; from < end; from += chunkSize) {
        const next = Math.min(end, from + chunkSize);
        const part = events.filter(({ offset }) => offset >= from && offset < next);
        expect(await apply(store, SHARD, { topic, from, next, events: part })).toMatchObject({
          answer: 'APPLIED',
          counted: part.filter(({ isVoid }) => !isVoid).length,
          duplicates: 0,
        });
      }
    }
    model.ids = structuredClone(model.allIds);
    model.forgetIds();
    await forgetIds(store, SHARD);
  }),
);

/**
 * No meter is in two topics: a replay reads one topic after the other, and must not void what only
 * the other one has counted.
 */
function eventAt(
  topic: string,
  offset: number,
  { date, usages, ...body }: EventBody & { isVoid?: true },
): RatedEvent {
  const ofTopic = usages.map(({ meter, quantity }) => ({
    meter: topic === TOPICS[0] ? meter : OF_INFERENCE[meter],
    quantity,
  }));
  return { offset, ...body, usages: ofTopic, day: `${body.month}-${date}` };
}

async function removeShard(store: Store, prefix: string): Promise<void> {
  const keys = await store.redis.keys(`${prefix}:usage:{${SHARD}}:*`);
  if (keys.length > 0) await store.redis.del(keys);
}

test('whatever happens in whatever order, Redis holds what a naive count holds', async () => {
  const prefix = uniquePrefix();
  const store = await openStore({ url: testRedisUrl(), prefix });
  try {
    const commands = fc.commands(
      [
        initialise,
        applyChunk,
        applyChunk,
        applyChunk,
        applyChunk,
        freezeMonth,
        restore,
        forget,
        flushScripts,
        loseAndReplay,
      ],
      { maxCommands: 30, size: 'max' },
    );
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        await removeShard(store, prefix);
        const start = async (): Promise<{ model: TotalsModel; real: Real }> => {
          const model = new TotalsModel();
          for (const topic of TOPICS.slice(0, 1)) {
            model.cursors.set(topic, 0);
            await initCursor(store, SHARD, topic, 0);
          }
          return { model, real: { store, prefix } };
        };
        await fc.asyncModelRun(start, sequence);
      }),
      { numRuns: RUNS },
    );
  } finally {
    await removeShard(store, prefix);
    await store.close();
  }
});
