import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster, Redis, Result } from 'ioredis';

/** An answer of one of our scripts: its name and its values. */
export type ScriptAnswer = readonly [string, ...(string | number)[]];

declare module 'ioredis' {
  interface RedisCommander<Context> {
    applyChunk(...keysAndArguments: string[]): Result<ScriptAnswer, Context>;
    freezeMonth(cursor: string, closed: string, month: string): Result<ScriptAnswer, Context>;
    restoreFreeze(
      closed: string,
      cursor: string,
      month: string,
      cursors: string,
    ): Result<ScriptAnswer, Context>;
    sealFreeze(
      cursor: string,
      closed: string,
      seals: string,
      month: string,
      run: string,
      seconds: number,
    ): Result<ScriptAnswer, Context>;
    readShard(
      keyCount: number,
      ...keysAndProjects: string[]
    ): Result<[string[], string[], number[], ...string[][]], Context>;
  }
}

const SCRIPTS = [
  { name: 'applyChunk', file: 'apply.lua', numberOfKeys: 6 },
  { name: 'freezeMonth', file: 'freeze.lua', numberOfKeys: 2 },
  { name: 'restoreFreeze', file: 'restore-freeze.lua', numberOfKeys: 2 },
  { name: 'sealFreeze', file: 'seal-freeze.lua', numberOfKeys: 3 },
  { name: 'readShard', file: 'read-shard.lua' }, // The number of keys comes with each call.
];

/** Teaches a connection our scripts. They are sent by hash, and whole when Redis has forgotten them. */
export function defineScripts(redis: Redis | Cluster): void {
  for (const { name, file, ...keys } of SCRIPTS) {
    redis.defineCommand(name, { ...keys, lua: readFileSync(join(__dirname, 'lua', file), 'utf8') });
  }
}
