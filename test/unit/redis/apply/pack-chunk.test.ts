import fc from 'fast-check';
import type { RatedEvent } from '../../../../src/rating/usage';
import { createFingerprinter, type Fingerprinter } from '../../../../src/redis/apply/fingerprint';
import { FingerprintSet } from '../../../../src/dedup/fingerprint-set';
import { FIRST_WINDOW, type DedupWindows } from '../../../../src/redis/apply/dedup-index';
import { packChunk, type PackedChunk } from '../../../../src/redis/apply/pack-chunk';
import { event } from '../../../kit/redis/rated-events';

let fingerprinter: Fingerprinter;
beforeAll(async () => {
  fingerprinter = await createFingerprinter();
});

const quantity = fc.oneof(
  fc.bigInt(1n, 1_000n),
  fc.bigInt(2n ** 53n - 2n, 2n ** 53n + 2n),
  fc.constant(2n ** 55n + 1n),
);
const bodies = fc.array(
  fc.record({
    project: fc.constantFrom('p', 'q', '__proto__', 'constructor'),
    day: fc.constantFrom('2026-06-30', '2026-07-01', '2026-07-02'),
    usages: fc.array(
      fc.oneof(
        fc.record({ meter: fc.constantFrom('session.webrtc' as const, 'agent.events' as const), quantity }),
        fc.record({
          meter: fc.constantFrom('inference.stt' as const),
          model: fc.constantFrom('a/b', '__proto__', 'é"\\\u2028', 'half \ud800'),
          quantity,
        }),
      ),
      { maxLength: 3 },
    ),
  }),
  { maxLength: 20 },
);

type Sums = Map<string, bigint>;

const increase = (sums: Sums, key: string[], by: bigint): void =>
  void sums.set(JSON.stringify(key), (sums.get(JSON.stringify(key)) ?? 0n) + by);

/** The two lists as sums by month, project and field. */
function read({ usages }: PackedChunk): { totals: Sums; daily: Sums; sums: bigint[] } {
  const sums: bigint[] = [];
  const [totals, daily] = (JSON.parse(usages) as string[][][]).map((list) => {
    expect(new Set(list.map(([group]) => group)).size).toBe(list.length);
    const found: Sums = new Map();
    for (const [group, ...fields] of list) {
      for (let i = 0; i < fields.length; i += 2) {
        sums.push(BigInt(fields[i + 1]!));
        increase(found, [group!.slice(0, 7), group!.slice(8), fields[i]!], BigInt(fields[i + 1]!));
      }
    }
    return found;
  });
  return { totals: totals!, daily: daily!, sums };
}

const nothingKnown = (open?: string): DedupWindows => ({
  own: { period: open ?? FIRST_WINDOW, ids: new FingerprintSet() },
  previous: open === undefined ? undefined : { period: FIRST_WINDOW, ids: new FingerprintSet() },
});

const pack = (events: readonly RatedEvent[], known = nothingKnown()): PackedChunk =>
  packChunk(fingerprinter, { topic: 't', from: 0, next: events.length, events }, known) as PackedChunk;

function fingerprintsOf(events: readonly RatedEvent[]): number[] {
  fingerprinter.begin('t');
  return events.flatMap(({ project, source, id }) => {
    const halves = new Uint32Array(2);
    fingerprinter.write(halves, 0, project, source, id);
    return [...halves];
  });
}

test('sums are those of the usages, by day and in all, and none passes the exact numbers of Lua', () => {
  fc.assert(
    fc.property(bodies, fc.constantFrom(undefined, '2026-06', '2026-07', '2026-08'), (list, open) => {
      const events: RatedEvent[] = list.map(({ usages, day, project }, offset) =>
        event(offset, {
          ...{ project, day, month: day.slice(0, 7) },
          usages: usages.map((usage) => ({ ...usage, quantity: String(usage.quantity) })),
        }),
      );
      const packed = pack(events, nothingKnown(open));
      const { totals, daily, sums } = read(packed);

      const expected = { totals: new Map() as Sums, daily: new Map() as Sums };
      let late = 0;
      for (const { project, month, day, usages: used } of events) {
        const isLate = open !== undefined && month < open;
        const bill = isLate ? open : month;
        if (isLate) late += 1;
        for (const { meter, model, quantity: text } of used) {
          const name = (model === undefined ? meter : `${meter}/${model}`).replace('\ud800', '\ufffd');
          increase(expected.totals, [bill, project, isLate ? `${month}@${name}` : name], BigInt(text));
          increase(expected.daily, [bill, project, `${day}/${name}`], BigInt(text));
        }
      }
      expect({ totals, daily }).toEqual(expected);
      for (const sum of sums) expect(sum).toBeLessThanOrEqual(BigInt(Number.MAX_SAFE_INTEGER));
      expect([packed.counted, packed.duplicates, packed.late]).toEqual([events.length, 0, late]);
      expect([...packed.halves]).toEqual(fingerprintsOf(events));
    }),
  );
});

test('repeats of the chunk itself, of the period and of the one before are taken out', () => {
  const events = ['a', 'b', 'a', 'c', 'd', 'b', 'c'].map((id, offset) =>
    event(offset, { id, usages: [{ meter: 'session.webrtc', quantity: String(10 ** offset) }] }),
  );
  const known = nothingKnown('2026-07');
  known.own.ids.addAll(Uint32Array.from(fingerprintsOf([events[1]!])));
  known.previous!.ids.addAll(Uint32Array.from(fingerprintsOf([events[4]!])));
  for (let again = 0; again < 2; again += 1) {
    const packed = pack(events, known);
    expect(read(packed).totals).toEqual(new Map([['["2026-07","acme","session.webrtc"]', 1_001n]]));
    expect([packed.counted, packed.duplicates]).toEqual([2, 5]);
    expect([...packed.halves]).toEqual(fingerprintsOf([events[0]!, events[3]!]));
  }
  expect(known.own.ids.size).toBe(1); // They are known when they are counted, not before.
});

test('the largest quantity of all is packed in exact parts', () => {
  const usages = [{ meter: 'session.webrtc' as const, quantity: String(2n ** 63n - 1n) }];
  const { totals, sums } = read(pack([event(0, { usages })]));
  expect([...totals.values()]).toEqual([2n ** 63n - 1n]);
  expect(sums.every((part) => part <= BigInt(Number.MAX_SAFE_INTEGER))).toBe(true);
});

test('it does not change the events', () => {
  const events = [event(0), event(1)];
  const before = structuredClone(events);
  pack(events);
  expect(events).toEqual(before);
});
