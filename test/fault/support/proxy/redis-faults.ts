import { readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { NativeService } from '../../../../src/dev/services/service';
import { lastTransaction } from '../../../kit/redis/append-only-file';

/** Runs commands on a Redis, past every proxy. */
export async function onRedis<T>({ address }: NativeService, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(`redis://${address}`);
  redis.on('error', () => undefined); // A command that fails says so itself.
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

/** The part of the append-only file that is written to. */
export function appendOnlyFile({ dataDir }: NativeService): {
  readonly path: string;
  readonly bytes: number;
} {
  const folder = join(dataDir, 'appendonlydir');
  const last = readdirSync(folder)
    .filter((name) => name.endsWith('.incr.aof'))
    .sort((a, b) => Number(/(\d+)\.incr/.exec(a)?.[1]) - Number(/(\d+)\.incr/.exec(b)?.[1]))
    .at(-1);
  const path = join(folder, last!);
  return { path, bytes: statSync(path).size };
}

/**
 * What a power cut does to an append-only file that is synced once a second: Redis comes back
 * without its tail.
 */
export async function loseTail(redis: NativeService, keptBytes: number): Promise<void> {
  await redis.kill('SIGKILL');
  truncateSync(appendOnlyFile(redis).path, keptBytes);
  await redis.restart();
}

/**
 * What a crash in the middle of a write leaves: a file that ends inside a script's writes, within
 * the record that `pick` chooses of them.
 *
 * @returns whether the file held any
 */
export async function tearTransaction(
  redis: NativeService,
  pick: (records: number) => number,
): Promise<boolean> {
  await redis.kill('SIGKILL');
  const { path } = appendOnlyFile(redis);
  const transaction = lastTransaction(readFileSync(path));
  const torn = transaction?.[pick(transaction.length - 1)];
  if (torn) truncateSync(path, Math.min(torn.start + 5, torn.end - 1));
  await redis.restart();
  return torn !== undefined;
}

/** A clean end and a start. */
export async function restartCleanly(redis: NativeService): Promise<void> {
  await redis.kill('SIGTERM');
  await redis.restart();
}
