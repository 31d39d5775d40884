import type { XXHashAPI } from 'xxhash-wasm' with { 'resolution-mode': 'import' };

// The package has types for its ES module only. They also fit require.
// eslint-disable-next-line @typescript-eslint/no-require-imports
const xxhash = require('xxhash-wasm') as () => Promise<XXHashAPI>;

/**
 * The size of a fingerprint in Redis. It is two numbers of 32 bits, little-endian, the lower half
 * first.
 */
export const FINGERPRINT_BYTES = 8;

export type Fingerprint = readonly [low: number, high: number];

export interface Fingerprinter {
  of(
    topic: string,
    event: { readonly project: string; readonly source: string; readonly id: string },
  ): Fingerprint;
  /** Sets the topic of the events that follow. */
  begin(topic: string): void;
  /**
   * Writes the halves of an event's fingerprint to `halves` at `at` and `at + 1`. The upper half is
   * never 0.
   */
  write(halves: Uint32Array, at: number, project: string, source: string, id: string): void;
}

/**
 * The xxHash64 of an event's identity (topic, project, source, id). Among n ids of a partition in
 * two dedup windows, n^2 / 2^65 pairs are expected to share a fingerprint: 3 in a million for 10
 * million ids. The second one of such a pair would count as a duplicate. An upper half of 0 becomes
 * 1, so that a table can mark its free slots. This is too rare to change the odds.
 *
 * The input is UTF-16 code units, each string after its length. So no two identities feed the same
 * bytes, not even if they contain half a surrogate pair, which UTF-8 cannot represent. Two 32-bit
 * hashes with different seeds would be faster, but are not 64 bits: what collides under one seed of
 * xxHash32 often collides under another.
 *
 * Fingerprints are stored, so a change of this function would forget all ids.
 */
export async function createFingerprinter(): Promise<Fingerprinter> {
  const hasher = await xxhash();
  let units = new Uint16Array(1024);
  /** `views[n]` is the first n units as bytes. Making such a view costs more than hashing it. */
  let views: Uint8Array[] = [];
  let topicEnd = 0;
  const hash = new BigUint64Array(1);
  const hashHalves = new Uint32Array(hash.buffer); // Little-endian, as on all but one of the machines that Node is built for.

  function reserve(length: number): void {
    if (length <= units.length) return;
    const larger = new Uint16Array(length * 2);
    larger.set(units);
    units = larger;
    views = [];
  }

  function append(text: string, at: number): number {
    const length = text.length;
    units[at] = length & 0xffff;
    units[at + 1] = length >>> 16;
    const start = at + 2;
    for (let i = 0; i < length; i += 1) units[start + i] = text.charCodeAt(i);
    return start + length;
  }

  const single = new Uint32Array(2);
  const fingerprinter: Fingerprinter = {
    of(topic, { project, source, id }) {
      fingerprinter.begin(topic);
      fingerprinter.write(single, 0, project, source, id);
      return [single[0]!, single[1]!];
    },
    begin(topic) {
      reserve(topic.length + 2);
      topicEnd = append(topic, 0);
    },
    write(halves, at, project, source, id) {
      reserve(topicEnd + project.length + source.length + id.length + 6);
      const end = append(id, append(source, append(project, topicEnd)));
      hash[0] = hasher.h64Raw((views[end] ??= new Uint8Array(units.buffer, 0, end * 2)));
      halves[at] = hashHalves[0]!;
      halves[at + 1] = hashHalves[1]! === 0 ? 1 : hashHalves[1]!;
    },
  };
  return fingerprinter;
}
