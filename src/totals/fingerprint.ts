import type { XXHashAPI } from 'xxhash-wasm' with { 'resolution-mode': 'import' };

// Its types are those of its ES module only; this is the same for require.
// eslint-disable-next-line @typescript-eslint/no-require-imports
const xxhash = require('xxhash-wasm') as () => Promise<XXHashAPI>;

/** Every fingerprint has so many digits, so that a list of them needs no separators. */
export const FINGERPRINT_DIGITS = 19;

/** The first 9 digits are LEAST_HEAD + 0..HEAD_COUNT - 1: never less than 9 digits, and with any 32-bit tail below 2^63. */
const LEAST_HEAD = 100_000_000;
const HEAD_COUNT = 822_337_203;

/** Prints the fingerprints of one topic's events into a buffer. */
export interface Fingerprinter {
  /** Names the topic of the events that follow. */
  begin(topic: string): void;
  /**
   * Writes the 19 ASCII digits of an event's fingerprint to `digits` at `position`.
   *
   * @returns the number in its last eight digits, which decides where it is kept
   */
  write(digits: Uint8Array, position: number, project: string, source: string, id: string): number;
}

/**
 * An event's identity (topic, project, source, id) as a signed 64-bit integer that Redis can keep in an integer set:
 * the 64 bits of xxHash64, brought into 10^18 .. 2^63-1 as 9 digits of the upper and 10 digits of the lower half.
 * 61.6 bits are left; among n ids of a shard and two periods, n^2 / 2^62.6 pairs are expected to share a fingerprint
 * (10 million: 2 in 100,000), and the second of such a pair would be taken for a duplicate.
 *
 * Hashed are UTF-16 code units, each string behind its length: so no two identities feed the same bytes, not even those
 * that hold half a surrogate pair, which UTF-8 cannot tell apart. Two 32-bit hashes with different seeds would be
 * faster, but not 64 bits: what collides under one seed of xxHash32 often collides under another.
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
  const halves = new Uint32Array(hash.buffer); // Little-endian, as on every machine that Node is built for but one.

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

  return {
    begin(topic) {
      reserve(topic.length + 2);
      topicEnd = append(topic, 0);
    },
    write(digits, position, project, source, id) {
      reserve(topicEnd + project.length + source.length + id.length + 6);
      const end = append(id, append(source, append(project, topicEnd)));
      hash[0] = hasher.h64Raw((views[end] ??= new Uint8Array(units.buffer, 0, end * 2)));
      writeDigits(digits, position + 8, 9, LEAST_HEAD + (halves[1]! % HEAD_COUNT));
      const tail = halves[0]!;
      const upper = Math.floor(tail / 100_000);
      writeDigits(digits, position + 13, 5, upper);
      writeDigits(digits, position + 18, 5, tail - upper * 100_000);
      return tail % 100_000_000;
    },
  };
}

/** Writes `count` digits of a number below 2^31, the last one at `last`. */
export function writeDigits(digits: Uint8Array, last: number, count: number, number: number): void {
  let rest = number;
  for (let i = 0; i < count; i += 1) {
    const quotient = (rest / 10) | 0;
    digits[last - i] = 48 + rest - quotient * 10;
    rest = quotient;
  }
}
