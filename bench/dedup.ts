import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DiskIndex } from '../src/dedup/disk-index';
import { FingerprintSet } from '../src/dedup/fingerprint-set';
import { RunThread } from '../src/dedup/run-thread';
import { say } from './servers';

/**
 * What recognising the ids of an event costs by itself, with the index in memory or on the disk.
 */
export interface DedupResult {
  readonly section: 'dedup';
  readonly engine: 'memory' | 'disk';
  readonly ids: number;
  /**
   * Chunks of 4,000 events since the smaller size: looked up, and what is new added. 2 % of the
   * last million are repeats.
   */
  readonly eventsPerSecond: number;
  /** Microseconds per event: the writing and merging in the background included. */
  readonly cpuUs: number;
  /** How many repeats of any age are recognised per second, in chunks of 4,000. */
  readonly repeatsPerSecond: number;
  readonly memoryBytesPerId: number;
  readonly diskBytesPerId: number;
  /** Opening the index again, with its files in the cache of the operating system. */
  readonly openMs: number;
  /** The longest time for which other work of the process had to wait, since the smaller size. */
  readonly longestStallMs: number;
  readonly peakRssMb: number;
  /** Fingerprints that were not recognised, or recognised wrongly. */
  readonly wrong: number;
}

const CHUNK = 4_000;
const REPEATS = CHUNK / 50;
/** The last chunks of a size contain repeats. */
const LAST = 250;
const WINDOW = '2026-11';
const LANE = 'usage.session';

interface Engine {
  add(from: number, halves: Uint32Array): Promise<void>;
  /** How many of them are there. */
  count(halves: Uint32Array): Promise<number>;
  settle(): Promise<void>;
  reopen(): Promise<void>;
  diskBytes(): number;
}

export async function measureDedup(
  sizes: readonly number[],
  onResult: (result: DedupResult) => void,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tallyman-bench-dedup-'));
  try {
    await measure('disk', await onDisk(directory), sizes, onResult);
    await measure('memory', inMemory(), sizes, onResult);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function inMemory(): Engine {
  const ids = new FingerprintSet();
  return {
    add: (_, halves) => Promise.resolve(ids.addAll(halves)),
    count(halves) {
      let found = 0;
      for (let i = 0; i < halves.length; i += 2) if (ids.has(halves[i]!, halves[i + 1]!)) found += 1;
      return Promise.resolve(found);
    },
    settle: () => Promise.resolve(),
    reopen: () => Promise.resolve(),
    diskBytes: () => 0,
  };
}

async function onDisk(directory: string): Promise<Engine> {
  const thread = new RunThread();
  let index = await DiskIndex.open(directory, 'bench', { thread });
  await index.begin(WINDOW, 'bench', { [LANE]: 0 });
  return {
    add: (from, halves) =>
      index.add({ window: WINDOW, lane: LANE, from, next: from + halves.length / 2, halves }),
    async count(halves) {
      let found = 0;
      for (const rank of await index.lookUp([WINDOW], halves)) found += rank;
      return found;
    },
    settle: () => index.settle(),
    async reopen() {
      await index.close();
      index = await DiskIndex.open(directory, 'bench', { thread });
    },
    diskBytes: () =>
      readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0),
  };
}

async function measure(
  engine: DedupResult['engine'],
  index: Engine,
  sizes: readonly number[],
  onResult: (result: DedupResult) => void,
): Promise<void> {
  const before = heldBytes();
  let peakRss = 0;
  let wrong = 0;
  let count = 0;
  const addChunk = async (repeats: number): Promise<void> => {
    const fresh = CHUNK - repeats;
    const halves = fingerprints(count, fresh, repeats);
    wrong += Math.abs((await index.count(halves)) - repeats);
    await index.add(count, halves.slice(0, fresh * 2));
    count += fresh;
    await new Promise(setImmediate); // As the network of a consumer does.
  };
  const stalls = monitorEventLoopDelay({ resolution: 5 });
  for (const size of [...sizes].sort((a, b) => a - b)) {
    stalls.reset();
    stalls.enable();
    const startedAt = performance.now();
    const startCpu = process.cpuUsage();
    const first = count;
    while (count < size - LAST * CHUNK) {
      await addChunk(0);
      if (count % 1_000_000 < CHUNK) peakRss = Math.max(peakRss, process.memoryUsage.rss());
    }
    for (let i = 0; i < LAST; i += 1) await addChunk(count === 0 ? 0 : REPEATS);
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = process.cpuUsage(startCpu);
    const events = count - first + LAST * REPEATS;
    stalls.disable();
    await index.settle();
    const repeatsPerSecond = await timeRepeats(index, count, (missed) => (wrong += missed));
    const openedAt = performance.now();
    await index.reopen();
    peakRss = Math.max(peakRss, process.memoryUsage.rss());
    onResult({
      ...{ section: 'dedup', engine, ids: size },
      eventsPerSecond: events / seconds,
      cpuUs: (cpu.user + cpu.system) / events,
      repeatsPerSecond,
      memoryBytesPerId: (heldBytes() - before) / count,
      diskBytesPerId: index.diskBytes() / count,
      openMs: performance.now() - openedAt,
      longestStallMs: stalls.max / 1e6,
      peakRssMb: peakRss / 1e6,
      wrong,
    });
    say(`${count.toLocaleString('en-US')} ids held`);
  }
}

async function timeRepeats(
  index: Engine,
  count: number,
  onMissed: (missed: number) => void,
): Promise<number> {
  const chunks = 10;
  const startedAt = performance.now();
  for (let i = 0; i < chunks; i += 1) {
    const repeats = fingerprints(count, 0, CHUNK, i);
    onMissed(CHUNK - (await index.count(repeats)));
  }
  return (chunks * CHUNK) / ((performance.now() - startedAt) / 1000);
}

const heldBytes = (): number => {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().arrayBuffers;
};

/** Some new fingerprints, then some of those before, spread over all of them. */
function fingerprints(count: number, fresh: number, repeats: number, salt = 0): Uint32Array {
  const halves = new Uint32Array((fresh + repeats) * 2);
  for (let i = 0; i < fresh + repeats; i += 1) {
    const id = i < fresh ? count + i : Math.floor(((i - fresh + 1 / (salt + 2)) / repeats) * count);
    halves[i * 2] = mixed(id, 0x85ebca6b);
    halves[i * 2 + 1] = mixed(id, 0xc2b2ae35) || 1;
  }
  return halves;
}

/** Every number gives another one: a permutation of 32 bits. */
function mixed(id: number, factor: number): number {
  let bits = Math.imul(id ^ (id >>> 16), factor);
  bits = Math.imul(bits ^ (bits >>> 13), 0x9e3779b1);
  return (bits ^ (bits >>> 16)) >>> 0;
}
