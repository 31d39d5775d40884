import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../../src/oracle/random';
import type { NativeService } from '../../../src/dev/services/service';
import { appendOnlyFile } from '../support/proxy/redis-faults';

const SAMPLE_MS = 100;
const UNSYNCED_MS = 1_000;

/**
 * Watches how Redis's append-only file grows. Synced once a second, it may lose what was written
 * within the last second, and nothing older.
 */
export class AofWatch {
  private samples: { readonly atMs: number; readonly path: string; readonly bytes: number }[] = [];
  private readonly timer = setInterval(() => this.sample(), SAMPLE_MS);

  constructor(private readonly redis: NativeService) {}

  private sample(): void {
    try {
      const now = Date.now();
      this.samples = this.samples.filter(({ atMs }) => now - atMs < 4 * UNSYNCED_MS);
      this.samples.push({ atMs: now, ...appendOnlyFile(this.redis) });
    } catch {
      // Between two files, or without any.
    }
  }

  /** Whether something was written that would be lost now. */
  get hasUnsynced(): boolean {
    const { bytes } = appendOnlyFile(this.redis);
    return bytes > this.syncedBytes();
  }

  private syncedBytes(): number {
    const { path } = appendOnlyFile(this.redis);
    const now = Date.now();
    const old = this.samples.filter((sample) => sample.path === path && now - sample.atMs >= UNSYNCED_MS);
    return old.at(-1)?.bytes ?? 0;
  }

  /**
   * Cuts what a power cut may take, of a Redis that is down: at any byte, or within a transaction.
   *
   * @returns what was done, for the story
   */
  cut(random: Random): string {
    const { path, bytes } = appendOnlyFile(this.redis);
    const synced = Math.min(bytes, this.syncedBytes());
    const content = readFileSync(path).toString('latin1');
    const begins: number[] = [];
    for (let at = content.indexOf('MULTI', synced); at >= 0; at = content.indexOf('MULTI', at + 1))
      begins.push(at);
    let to = random.between(synced, bytes);
    if (begins.length > 0 && random.chance(0.75)) {
      const begin = random.pick(begins);
      const end = content.indexOf('EXEC', begin);
      if (end > begin) to = random.between(begin + 'MULTI'.length + 3, end);
    }
    truncateSync(path, to);
    return `cut ${bytes - to} of ${bytes - synced} unsynced bytes, ${begins.length} transactions among them`;
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/** The Redis must be down. */
export function removeFiles({ dataDir }: NativeService): void {
  rmSync(join(dataDir, 'appendonlydir'), { recursive: true, force: true });
  rmSync(join(dataDir, 'dump.rdb'), { force: true });
}
