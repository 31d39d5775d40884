import { DiskIndex } from '../../../src/dedup/disk-index';
import { RunThread } from '../../../src/dedup/run-thread';

export const IDENTITY = 'usage.session of shard 0';
export const WINDOW = '2026-11';
export const LANE = 'usage.session';
/** Small, so that runs are written and merged all the time. */
export const IDS_PER_RUN = 500;

/** The fingerprint of the event at each offset. */
export function halvesAt(from: number, next: number): Uint32Array {
  const halves = new Uint32Array((next - from) * 2);
  for (let offset = from; offset < next; offset += 1) {
    halves[(offset - from) * 2] = Math.imul(offset + 1, 0x9e3779b1) >>> 0;
    halves[(offset - from) * 2 + 1] = 1 + (Math.imul(offset + 1, 0x85ebca6b) >>> 1);
  }
  return halves;
}

/** As many again come after the end. */
export const idsUpTo = (end: number): Uint32Array => halvesAt(0, end * 2);

/** Adds to the index in a directory until it is killed, and prints how far it came. */
async function grow(directory: string): Promise<void> {
  const index = await DiskIndex.open(directory, IDENTITY, {
    thread: new RunThread(),
    idsPerRun: IDS_PER_RUN,
  });
  if (!index.contexts().has(WINDOW)) await index.begin(WINDOW, 'context', { [LANE]: 0 });
  for (;;) {
    const from = index.reached(WINDOW, LANE)!;
    await index.add({ window: WINDOW, lane: LANE, from, next: from + 37, halves: halvesAt(from, from + 37) });
    process.stdout.write(`${from + 37}\n`);
    await new Promise(setImmediate);
  }
}

if (require.main === module) void grow(process.argv[2]!);
