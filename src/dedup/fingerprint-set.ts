/** Above this load the table grows, because a search would take too many steps. */
const FULL = 0.8;
const GROWTH = 1.4;
/**
 * A table that is made for a given number of fingerprints has this much room, because it will grow.
 */
const SPARE = 1.2;
const FIRST_SLOTS = 64;
const HALF_RANGE = 2 ** 32;

/**
 * A set of fingerprints in 10 to 14 bytes each: an open hash table on one typed array. A Set would
 * take ten times as much.
 */
export class FingerprintSet {
  /** Slot after slot: lower half, upper half. An upper half of 0 marks a free slot. */
  private table: Uint32Array;
  protected slots: number;
  private count = 0;
  /** The last one of `addAll`: lower half, upper half. 0 and 0 before it. */
  readonly last = new Uint32Array(2);

  /** @param expected how many fingerprints it has room for at first */
  constructor(expected = 0) {
    this.slots = Math.max(FIRST_SLOTS, Math.ceil((expected / FULL) * SPARE));
    this.table = new Uint32Array(this.slots * 2);
  }

  get size(): number {
    return this.count;
  }

  has(low: number, high: number): boolean {
    return this.table[this.find(low, high) + 1] !== 0;
  }

  /** @returns whether it is new */
  add(low: number, high: number): boolean {
    const at = this.find(low, high);
    if (this.table[at + 1] !== 0) return false;
    this.table[at] = low;
    this.table[at + 1] = high;
    this.count += 1;
    if (this.count > this.slots * FULL) this.resize(Math.ceil(this.slots * GROWTH));
    return true;
  }

  /** Adds many at once: lower half, upper half, lower half ... */
  addAll(halves: Uint32Array): void {
    const needed = (this.count + halves.length / 2) / FULL;
    if (needed > this.slots) this.resize(Math.ceil(needed * SPARE));
    for (let i = 0; i < halves.length; i += 2) this.add(halves[i]!, halves[i + 1]!);
    if (halves.length > 0) this.last.set(halves.subarray(-2));
  }

  /** Empties the set and keeps its room. */
  clear(): void {
    this.table.fill(0);
    this.count = 0;
  }

  /** The slot of a fingerprint, or the free slot where it belongs. */
  protected find(low: number, high: number): number {
    const { table } = this;
    let at = Math.floor((low / HALF_RANGE) * this.slots) * 2;
    for (;;) {
      const there = table[at + 1]!;
      if (there === 0 || (there === high && table[at] === low)) return at;
      at += 2;
      if (at === table.length) at = 0;
    }
  }

  /** @param moved called with the old and the new slot of each fingerprint */
  protected resize(slots: number, moved?: (from: number, to: number) => void): void {
    const before = this.table;
    this.table = new Uint32Array(slots * 2);
    this.slots = slots;
    for (let i = 0; i < before.length; i += 2) {
      if (before[i + 1] === 0) continue;
      const at = this.find(before[i]!, before[i + 1]!);
      this.table[at] = before[i]!;
      this.table[at + 1] = before[i + 1]!;
      moved?.(i / 2, at / 2);
    }
  }
}

/** The same set with the offset of the event of each fingerprint, which takes another 8 bytes. */
export class FingerprintOffsets extends FingerprintSet {
  private offsets = new Float64Array(this.slots);

  /** The offset that a fingerprint was added with; undefined if it is not in the set. */
  offsetOf(low: number, high: number): number | undefined {
    return this.has(low, high) ? this.offsets[this.find(low, high) / 2] : undefined;
  }

  /** Adds a fingerprint. If it is already in the set, it keeps its offset. */
  addAt(low: number, high: number, offset: number): void {
    if (this.add(low, high)) this.offsets[this.find(low, high) / 2] = offset;
  }

  protected override resize(slots: number): void {
    const before = this.offsets;
    this.offsets = new Float64Array(slots);
    super.resize(slots, (from, to) => (this.offsets[to] = before[from]!));
  }
}
