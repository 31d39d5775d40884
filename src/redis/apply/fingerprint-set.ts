/** Full up to here, the table grows: beyond it a search takes too many steps. */
const FULL = 0.8;
const GROWTH = 1.4;
/** Of a table for a known number, which will grow. */
const SPARE = 1.2;
const FIRST_SLOTS = 64;
const HALF_RANGE = 2 ** 32;

/** A set of fingerprints, in 10 to 14 bytes each: an open hash table on one typed array. A Set would take ten times as much. */
export class IdSet {
  /** Slot after slot: lower half, upper half. The upper half of a fingerprint is never 0: that is a free slot. */
  private table: Uint32Array;
  private slots: number;
  private count = 0;

  /** @param expected how many it has room for from the start */
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
  }

  /** Makes it empty, and keeps its room. */
  clear(): void {
    this.table.fill(0);
    this.count = 0;
  }

  /** Where a fingerprint stands, or the free place where it belongs. */
  private find(low: number, high: number): number {
    const { table } = this;
    let at = Math.floor((low / HALF_RANGE) * this.slots) * 2;
    for (;;) {
      const there = table[at + 1]!;
      if (there === 0 || (there === high && table[at] === low)) return at;
      at += 2;
      if (at === table.length) at = 0;
    }
  }

  private resize(slots: number): void {
    const before = this.table;
    this.table = new Uint32Array(slots * 2);
    this.slots = slots;
    for (let i = 0; i < before.length; i += 2) {
      if (before[i + 1] === 0) continue;
      const at = this.find(before[i]!, before[i + 1]!);
      this.table[at] = before[i]!;
      this.table[at + 1] = before[i + 1]!;
    }
  }
}
