/** Full up to here, the table is doubled: beyond it a search takes too many steps. */
const FULL = 0.7;
const FIRST_SLOTS = 1_024;

/**
 * Remembers fingerprints of ids, each with the offset of the event that brought it, in 16 bytes a slot: an open hash
 * table on typed arrays. A Map would take ten times as much.
 */
export class SeenIds {
  private heads = new Uint32Array(FIRST_SLOTS);
  private tails = new Uint32Array(FIRST_SLOTS);
  private offsets = new Float64Array(FIRST_SLOTS);
  private count = 0;

  /**
   * @param head of a fingerprint: 1 to 2^32-1 (0 marks a free slot)
   * @param tail of a fingerprint: 0 to 2^32-1
   * @returns the offset that the fingerprint was added with; undefined if it is unknown
   */
  find(head: number, tail: number): number | undefined {
    const slot = this.slotOf(head, tail);
    return this.heads[slot] === 0 ? undefined : this.offsets[slot];
  }

  /** Adds a fingerprint that is unknown. */
  add(head: number, tail: number, offset: number): void {
    if (this.count >= this.heads.length * FULL) this.grow();
    const slot = this.slotOf(head, tail);
    this.heads[slot] = head;
    this.tails[slot] = tail;
    this.offsets[slot] = offset;
    this.count += 1;
  }

  /** The slot of a fingerprint, or the free one where it belongs. */
  private slotOf(head: number, tail: number): number {
    const mask = this.heads.length - 1;
    let slot = tail & mask;
    while (this.heads[slot] !== 0 && (this.heads[slot] !== head || this.tails[slot] !== tail)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private grow(): void {
    const { heads, tails, offsets } = this;
    this.heads = new Uint32Array(heads.length * 2);
    this.tails = new Uint32Array(heads.length * 2);
    this.offsets = new Float64Array(heads.length * 2);
    for (let old = 0; old < heads.length; old += 1) {
      if (heads[old] === 0) continue;
      const slot = this.slotOf(heads[old]!, tails[old]!);
      this.heads[slot] = heads[old]!;
      this.tails[slot] = tails[old]!;
      this.offsets[slot] = offsets[old]!;
    }
  }
}
