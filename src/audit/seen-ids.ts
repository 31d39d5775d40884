/** Full up to here, the table is doubled: beyond it a search takes too many steps. */
const FULL = 0.7;
const FIRST_SLOTS = 1_024;

/**
 * Remembers fingerprints of ids, each with the offset of the event that brought it, in 16 bytes a slot: an open hash
 * table on typed arrays. A Map would take ten times as much.
 */
export class SeenIds {
  private highs = new Uint32Array(FIRST_SLOTS);
  private lows = new Uint32Array(FIRST_SLOTS);
  private offsets = new Float64Array(FIRST_SLOTS);
  private count = 0;

  /**
   * @param low half of a fingerprint
   * @param high half: never 0, which marks a free slot
   * @returns the offset that the fingerprint was added with; undefined if it is unknown
   */
  find(low: number, high: number): number | undefined {
    const slot = this.slotOf(low, high);
    return this.highs[slot] === 0 ? undefined : this.offsets[slot];
  }

  /** Adds a fingerprint that is unknown. */
  add(low: number, high: number, offset: number): void {
    if (this.count >= this.highs.length * FULL) this.grow();
    const slot = this.slotOf(low, high);
    this.highs[slot] = high;
    this.lows[slot] = low;
    this.offsets[slot] = offset;
    this.count += 1;
  }

  /** The slot of a fingerprint, or the free one where it belongs. */
  private slotOf(low: number, high: number): number {
    const mask = this.highs.length - 1;
    let slot = low & mask;
    while (this.highs[slot] !== 0 && (this.highs[slot] !== high || this.lows[slot] !== low)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private grow(): void {
    const { highs, lows, offsets } = this;
    this.highs = new Uint32Array(highs.length * 2);
    this.lows = new Uint32Array(highs.length * 2);
    this.offsets = new Float64Array(highs.length * 2);
    for (let old = 0; old < highs.length; old += 1) {
      if (highs[old] === 0) continue;
      const slot = this.slotOf(lows[old]!, highs[old]!);
      this.highs[slot] = highs[old]!;
      this.lows[slot] = lows[old]!;
      this.offsets[slot] = offsets[old]!;
    }
  }
}
