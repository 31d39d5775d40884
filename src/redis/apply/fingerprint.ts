import type { XXHashAPI } from 'xxhash-wasm' with { 'resolution-mode': 'import' };

// Its types are those of its ES module only; this is the same for require.
// eslint-disable-next-line @typescript-eslint/no-require-imports
const xxhash = require('xxhash-wasm') as () => Promise<XXHashAPI>;

/**
 * A fingerprint is two numbers of 32 bits, the lower half first. In Redis it takes so many bytes,
 * little-endian.
 */
export const FINGERPRINT_BYTES = 8;

/** The halves of one fingerprint. */
export type Fingerprint = readonly [low: number, high: number];

/** Takes the fingerprints of one topic's events. */
export interface Fingerprinter {
  /** That of a single event. */
  of(
    topic: string,
    event: { readonly project: string; readonly source: string; readonly id: string },
  ): Fingerprint;
  /** Names the topic of the events that follow. */
  begin(topic: string): void;
  /**
   * Writes the halves of an event's fingerprint to `halves` at `at` and `at + 1`. The upper half is
   * never 0.
   */
  write(halves: Uint32Array, at: number, project: string, source: string, id: string): void;
}

/**
 * An event's identity (topic, project, source, id) as the 64 bits of xxHash64. Among n ids of a
 * partition in two periods, n^2 / 2^65 pairs are expected to share a fingerprint (10 million: 3 in
 * a million), and the second of such a pair would be taken for a repeat. (An upper half of 0
 * becomes 1, so that a table can mark its free slots: too rare to change that.)
 *
 * Hashed are UTF-16 code units, each string behind its length: so no two identities feed the same
 * bytes, not even those that hold half a surrogate pair, which UTF-8 cannot tell apart. Two 32-bit
 * hashes with different seeds would be faster, but not 64 bits: what collides under one seed of
 * xxHash32 often collides under another.
 *
 * Fingerprints are stored: changing this function forgets all ids.
 */
export async function createFingerprinter(): Promise<Fingerprinter> {
  const hasher = await xxhash();
  let units = new Uint16Array(1024);
  /** `views[n]`: the first n units as bytes. Making such a view costs more than hashing it. */
  let views: Uint8Array[] = [];
  let topicEnd = 0;
  const hash = new BigUint64Array(1);
  const hashHalves = new Uint32Array(hash.buffer); // Little-endian, as on every machine that Node is built for but one.

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
