import fc from 'fast-check';
import { createFingerprinter, type Fingerprinter } from '../../../../src/redis/apply/fingerprint';

let fingerprinter: Fingerprinter;
beforeAll(async () => {
  fingerprinter = await createFingerprinter();
});

function halvesOf(topic: string, project: string, source: string, id: string): [number, number] {
  const halves = new Uint32Array(4);
  fingerprinter.begin(topic);
  fingerprinter.write(halves, 1, project, source, id);
  if (halves[0] !== 0 || halves[3] !== 0) throw new Error('it wrote beside its place');
  return [halves[1]!, halves[2]!];
}

function fingerprint(...identity: Parameters<typeof halvesOf>): string {
  const [low, high] = halvesOf(...identity);
  return (BigInt(high) * 2n ** 32n + BigInt(low)).toString(16);
}

/** Any UTF-16, halves of surrogate pairs and zeros among it; often short and alike. */
const text = fc
  .array(fc.oneof(fc.constantFrom(0, 1, 97, 0xd800, 0xdc00, 0xfffd), fc.integer({ min: 0, max: 0xffff })), {
    maxLength: 5,
  })
  .map((units) => String.fromCharCode(...units));
const identity = fc.tuple(text, text, text, text);

test('what is stored stays what it is', () => {
  expect(
    fingerprint('usage.session', 'acme', '/sfu/us-east-1a', '6f1c2e0a-8a4f-4a39-9d7e-0c1de4a4f3b2'),
  ).toBe('190aca03d659bfd0');
  expect(fingerprint('usage.inference', '__proto__', '/𝒜', '\ud800')).toBe('d30b3d8a136ed8ea');
});

test('two identities never feed the same bytes: a part may not pass for the end of the part before', () => {
  fc.assert(
    fc.property(identity, identity, (one, other) => {
      const same = JSON.stringify(one) === JSON.stringify(other);
      expect(fingerprint(...one) === fingerprint(...other)).toBe(same);
    }),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(identity, fc.nat({ max: 3 }), fc.nat({ max: 3 }), ([a, b, c, d], cut, join) => {
      const parts = (joined: string[]): string => joined.join('');
      const shifted = [a + b.slice(0, cut), b.slice(cut), c.slice(0, join), c.slice(join) + d] as const;
      fc.pre(
        parts([a, b, c, d]) === parts([...shifted]) &&
          JSON.stringify([a, b, c, d]) !== JSON.stringify(shifted),
      );
      expect(fingerprint(a, b, c, d)).not.toBe(fingerprint(...shifted));
    }),
    { numRuns: 1_000 },
  );
});

test('both halves spread evenly, and the upper one is never 0', () => {
  const buckets = [new Uint32Array(64), new Uint32Array(64)];
  const seen = new Set<string>();
  for (let i = 0; i < 64_000; i += 1) {
    const [low, high] = halvesOf('t', 'p', '/s', String(i));
    expect(high).toBeGreaterThan(0);
    buckets[0]![Math.floor(low / 2 ** 26)]! += 1;
    buckets[1]![Math.floor(high / 2 ** 26)]! += 1;
    seen.add(`${high} ${low}`);
  }
  expect(seen.size).toBe(64_000);
  // 1000 in each on average, with a standard deviation of 31.
  for (const counts of buckets)
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(6 * 32);
});

test('long texts are taken whole', () => {
  const long = 'a'.repeat(5_000);
  expect(fingerprint('t', long, 's', 'i')).not.toBe(fingerprint('t', `${long.slice(1)}b`, 's', 'i'));
  expect(fingerprint('t', 'p', 's', `${long}1`)).not.toBe(fingerprint('t', 'p', 's', `${long}2`));
  expect(fingerprint('t', 'p', 's', 'i')).toBe(fingerprint('t', 'p', 's', 'i'));
});
