import fc from 'fast-check';
import type { RatedEvent } from '../../src/rating/usage';
import { createFingerprinter, FINGERPRINT_DIGITS, type Fingerprinter } from '../../src/totals/fingerprint';
import { packChunk, type PackedChunk } from '../../src/totals/pack-chunk';
import { event } from './events';

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

interface Unpacked {
  fields: string[];
  lines: string[];
  months: (string | number)[];
}

/** What each event adds, by its fingerprint's place: month, then line and quantity for each of its lines. */
function read(packed: PackedChunk): { usages: Unpacked; parts: number[][] } {
  const count = packed.fingerprints.length / FINGERPRINT_DIGITS;
  const parts = Array.from({ length: count }, (_, i) => {
    const start = Number(packed.events.slice(i * 9, i * 9 + 9)) - 1;
    return packed.events.slice(start, packed.events.indexOf(';', start)).split(' ').map(Number);
  });
  return { usages: JSON.parse(packed.usages) as Unpacked, parts };
}

/** The fingerprint of every event, in offset order. */
function fingerprintsOf(topic: string, events: readonly RatedEvent[]): string[] {
  fingerprinter.begin(topic);
  return events.map(({ project, source, id }) => {
    const digits = Buffer.alloc(FINGERPRINT_DIGITS);
    fingerprinter.write(digits, 0, project, source, id);
    return digits.toString('latin1');
  });
}

test('lines add up to the usages, events to the lines, and no line passes the exact numbers of Lua', () => {
  fc.assert(
    fc.property(bodies, (list) => {
      const events: RatedEvent[] = list.map(({ usages, day, project }, offset) =>
        event(offset, {
          project,
          day,
          month: day.slice(0, 7),
          usages: usages.map((usage) => ({ ...usage, quantity: String(usage.quantity) })),
        }),
      );
      const packed = packChunk(fingerprinter, {
        topic: 't',
        from: 0,
        next: events.length,
        events,
      }) as PackedChunk;
      const { usages, parts } = read(packed);

      const expected = new Map<string, bigint>();
      for (const { project, month, day, usages: used } of events) {
        for (const { meter, model, quantity: text } of used) {
          const name = (model === undefined ? meter : `${meter}/${model}`).replace('\ud800', '\ufffd');
          const key = JSON.stringify([project, month, day, name]);
          expected.set(key, (expected.get(key) ?? 0n) + BigInt(text));
        }
      }
      const packedSums = new Map<string, bigint>();
      const lineSums: bigint[] = [];
      for (let i = 0; i < usages.lines.length; i += 3) {
        const at = usages.fields.findIndex((name, index) => index % 4 === 0 && name === usages.lines[i + 1]);
        const key = JSON.stringify([usages.lines[i], ...usages.fields.slice(at + 1, at + 4)]);
        const sum = BigInt(usages.lines[i + 2]!);
        expect(sum).toBeLessThanOrEqual(BigInt(Number.MAX_SAFE_INTEGER));
        packedSums.set(key, (packedSums.get(key) ?? 0n) + sum);
        lineSums.push(sum);
      }
      expect(packedSums).toEqual(expected);

      const months: string[] = [];
      for (const [month, ...numbers] of parts) {
        months.push(String(usages.months[2 * (month! - 1)]));
        for (let j = 0; j < numbers.length; j += 2) lineSums[numbers[j]! - 1]! -= BigInt(numbers[j + 1]!);
      }
      // Each part stands where its event's fingerprint does.
      const monthOf = new Map(fingerprintsOf('t', events).map((name, i) => [name, events[i]!.month]));
      const packedNames = packed.fingerprints.match(/\d{19}/g) ?? [];
      expect(months).toEqual(packedNames.map((name) => monthOf.get(name)));
      expect(lineSums.every((rest) => rest === 0n)).toBe(true);
      for (let i = 0; i < usages.months.length; i += 2) {
        expect(usages.months[i + 1]).toBe(events.filter(({ month }) => month === usages.months[i]).length);
      }
      expect(packed.fingerprints).toHaveLength(FINGERPRINT_DIGITS * events.length);
    }),
  );
});

test('the fingerprints of one bucket are neighbours, whatever the number of buckets', () => {
  // Every third event is the same again: of two alike the earlier one must come first.
  const events = Array.from({ length: 3_000 }, (_, i) => event(i, { id: `id-${i % 3 === 2 ? i - 1 : i}` }));
  events.forEach((one, i) =>
    Object.assign(one, { usages: [{ meter: 'session.webrtc', quantity: String(i + 1) }] }),
  );
  const packed = packChunk(fingerprinter, { topic: 't', from: 0, next: 3_000, events }) as PackedChunk;
  const names = packed.fingerprints.match(/\d{19}/g)!;
  expect([...names].sort()).toEqual(fingerprintsOf('t', events).sort());
  const hashes = names.map((name) => Number(name.slice(-8)));
  for (const level of [1, 4, 16, 64, 256, 1024]) {
    for (const split of [0, 1, Math.floor(level / 2), level - 1]) {
      const buckets = hashes.map((hash) => (hash % level < split ? hash % (level * 4) : hash % level));
      const runs = buckets.filter((bucket, i) => bucket !== buckets[i - 1]);
      expect(new Set(runs).size).toBe(runs.length);
    }
  }
  const quantities = read(packed).parts.map((part) => part[2]!);
  for (let i = 1; i < names.length; i += 1) {
    if (names[i] === names[i - 1]) expect(quantities[i]).toBeGreaterThan(quantities[i - 1]!);
  }
});

test('the largest quantity of all is packed in exact parts', () => {
  const usages = [{ meter: 'session.webrtc' as const, quantity: String(2n ** 63n - 1n) }];
  const packed = packChunk(fingerprinter, { topic: 't', from: 0, next: 1, events: [event(0, { usages })] });
  const { lines } = read(packed as PackedChunk).usages;
  const sums = lines.filter((_, i) => i % 3 === 2).map(BigInt);
  expect(sums.reduce((sum, part) => sum + part)).toBe(2n ** 63n - 1n);
  expect(sums.every((part) => part <= BigInt(Number.MAX_SAFE_INTEGER))).toBe(true);
});

test('it does not change the events', () => {
  const events = [event(0), event(1)];
  const before = structuredClone(events);
  packChunk(fingerprinter, { topic: 't', from: 0, next: 2, events });
  expect(events).toEqual(before);
});
