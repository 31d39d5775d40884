const BLOCK_WORDS = 16;
const HALF_RANGE = 2 ** 32;
/** Odd constants whose products spread over all 32 bits. */
const SPREAD = 0x9e3779b1;
const SPREAD_STEP = 0x85ebca6b;

/** Small runs are a small part of all ids, so more bits for them cost little. */
const SMALL_RUN = 4_000_000;
const SMALL = { bitsPerId: 20, bitsSet: 10 };
const LARGE = { bitsPerId: 13, bitsSet: 8 };

/**
 * A Bloom filter of fingerprints: it has no false negatives, and one lookup touches 64 bytes.
 * Blocks follow the order of the fingerprints, so that a merge fills the filter from start to end.
 */
export class Filter {
  private readonly blocks: number;
  private readonly bitsSet: number;
  readonly words: Uint32Array;
  /** Only so that `touch` has a result. */
  protected touched = 0;

  /** @param words those of a filter that was made for as many ids; none if it is empty */
  constructor(ids: number, words?: Uint32Array) {
    const { bitsPerId, bitsSet } = ids <= SMALL_RUN ? SMALL : LARGE;
    this.blocks = Math.max(1, Math.ceil((ids * bitsPerId) / (BLOCK_WORDS * 32)));
    this.bitsSet = bitsSet;
    this.words = words ?? new Uint32Array(this.blocks * BLOCK_WORDS);
  }

  add(low: number, high: number): void {
    const block = this.blockOf(high);
    const { words, bitsSet } = this;
    let bits = Math.imul(low ^ (low >>> 15), SPREAD);
    const step = Math.imul(low, SPREAD_STEP) | 1;
    for (let i = 0; i < bitsSet; i += 1) {
      words[block + (bits >>> 28)]! |= 1 << ((bits >>> 23) & 31);
      bits = (bits + step) | 0;
    }
  }

  /**
   * Finds the fingerprints that may have been added: all that were, and few others.
   *
   * @param into receives their numbers, and has room for one more than there are fingerprints
   * @returns how many they are
   */
  select(halves: Uint32Array, into: Uint32Array): number {
    const { words, bitsSet } = this;
    this.touch(halves);
    let count = 0;
    for (let at = 0; at < halves.length; at += 2) {
      const low = halves[at]!;
      const block = this.blockOf(halves[at + 1]!);
      let bits = Math.imul(low ^ (low >>> 15), SPREAD);
      // The bits do not depend on each other, so that the processor tests several at once.
      const step = Math.imul(low, SPREAD_STEP) | 1;
      let isIn = 1;
      for (let i = 0; i < bitsSet; i += 1) {
        isIn &= words[block + (bits >>> 28)]! >>> ((bits >>> 23) & 31);
        bits = (bits + step) | 0;
      }
      into[count] = at >>> 1;
      count += isIn;
    }
    return count;
  }

  /**
   * Brings the blocks of fingerprints into the processor's cache. A loop that does nothing else
   * waits for many of them at once; otherwise each would be waited for on its own.
   */
  private touch(halves: Uint32Array): void {
    let sum = 0;
    for (let at = 1; at < halves.length; at += 2) sum ^= this.words[this.blockOf(halves[at]!)]!;
    this.touched = sum;
  }

  private blockOf(high: number): number {
    return (((high / HALF_RANGE) * this.blocks) >>> 0) * BLOCK_WORDS;
  }
}
