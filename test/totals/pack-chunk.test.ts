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

const read = (packed: PackedChunk): { usages: Unpacked; events: number[] } => ({
  usages: JSON.parse(packed.usages) as Unpacked,
  events: JSON.parse(packed.events) as number[],
});

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
      const { usages, events: flat } = read(packed);

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
      let at = 0;
      for (let i = 0; i < events.length; i += 1) {
        months.push(String(usages.months[2 * (flat[at]! - 1)]));
        const lines = flat[at + 1]!;
        for (let j = 0; j < lines; j += 1)
          lineSums[flat[at + 2 + 2 * j]! - 1]! -= BigInt(flat[at + 3 + 2 * j]!);
        at += 2 + 2 * lines;
      }
      expect(at).toBe(flat.length);
      expect(months).toEqual(events.map(({ month }) => month));
      expect(lineSums.every((rest) => rest === 0n)).toBe(true);
      for (let i = 0; i < usages.months.length; i += 2) {
        expect(usages.months[i + 1]).toBe(events.filter(({ month }) => month === usages.months[i]).length);
      }
      expect(packed.fingerprints).toHaveLength(FINGERPRINT_DIGITS * events.length);
    }),
  );
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
