/** Slots of a Redis Cluster. */
const SLOTS = 16_384;

/** The slot of a key: CRC16 (XMODEM) of its hash tag, or of the whole key if it has none. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  const hashed = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc & (SLOTS - 1);
}

/** The first slot of each master, as `redis-cli --cluster create` shares them out. */
export function firstSlots(masters: number): number[] {
  return Array.from({ length: masters }, (_, master) => Math.round((master * SLOTS) / masters));
}

/** How many of these slots are on the master that has the most. */
export function mostOnOneMaster(slots: readonly number[], masters: number): number {
  const firsts = firstSlots(masters);
  const counts = new Array<number>(masters).fill(0);
  for (const slot of slots) {
    let master = Math.floor((slot * masters) / SLOTS);
    while (master + 1 < masters && firsts[master + 1]! <= slot) master += 1;
    while (firsts[master]! > slot) master -= 1;
    counts[master]! += 1;
  }
  return Math.max(...counts);
}
