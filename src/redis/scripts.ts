import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster, Redis, Result } from 'ioredis';

/** The answer of a script: its name and its values. */
export type ScriptAnswer = readonly [string, ...(string | number)[]];

declare module 'ioredis' {
  interface RedisCommander<Context> {
    applyChunk(...keysAndArguments: (string | Buffer)[]): Result<ScriptAnswer, Context>;
    voidEvent(...keysAndArguments: (string | Buffer)[]): Result<ScriptAnswer, Context>;
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
    beginLeaving(
      left: string,
      cursor: string,
      closed: string,
      projects: string,
      writes: string,
      month: string,
      count: number,
      index: string,
      field: string,
      digest: string,
    ): Result<ScriptAnswer, Context>;
    leaveMonth(...keysAndArguments: (string | number)[]): Result<ScriptAnswer, Context>;
    readWrites(
      writes: string,
      idsStem: string,
      ...periods: string[]
    ): Result<[begun: string, ended: string, ...ids: (string | number)[]], Context>;
    showView(position: string, view: string, ...positionsAndRecords: string[]): Result<ScriptAnswer, Context>;
    showIndex(index: string, ...positionsAndDocuments: string[]): Result<ScriptAnswer, Context>;
    showInvoices(keyCount: number, ...keysAndArguments: string[]): Result<ScriptAnswer, Context>;
    swapField(hash: string, field: string, before: string, after: string): Result<ScriptAnswer, Context>;
    redeemLink(
      since: string,
      used: string,
      issuedAtMs: number,
      keptUntilMs: number,
    ): Result<ScriptAnswer, Context>;
    readShard(
      keyCount: number,
      ...keysAndProjects: string[]
    ): Result<[string[], string[], number[], number, ...string[][]], Context>;
  }
}

/** A script is a concatenation of files, because Lua in Redis has no other way to share code. */
const SCRIPTS = [
  {
    name: 'applyChunk',
    files: ['open-month.lua', 'ids.lua', 'writes.lua', 'epochs.lua', 'apply.lua'],
    numberOfKeys: 7,
  },
  {
    name: 'voidEvent',
    files: ['open-month.lua', 'ids.lua', 'writes.lua', 'epochs.lua', 'void.lua'],
    numberOfKeys: 8,
  },
  { name: 'freezeMonth', files: ['freeze.lua'], numberOfKeys: 2 },
  { name: 'restoreFreeze', files: ['restore-freeze.lua'], numberOfKeys: 2 },
  { name: 'sealFreeze', files: ['complete-month.lua', 'seal-freeze.lua'], numberOfKeys: 3 },
  { name: 'beginLeaving', files: ['complete-month.lua', 'begin-leaving.lua'], numberOfKeys: 5 },
  { name: 'leaveMonth', files: ['leave-month.lua'], numberOfKeys: 4 },
  { name: 'readWrites', files: ['ids.lua', 'read-writes.lua'], numberOfKeys: 2 },
  { name: 'showView', files: ['show-view.lua'], numberOfKeys: 2 },
  { name: 'showIndex', files: ['show-index.lua'], numberOfKeys: 1 },
  { name: 'swapField', files: ['swap-field.lua'], numberOfKeys: 1 },
  { name: 'redeemLink', files: ['redeem-link.lua'], numberOfKeys: 2 },
  // The number of keys comes with each call.
  { name: 'readShard', files: ['read-shard.lua'] },
  { name: 'showInvoices', files: ['show-invoices.lua'] },
];

/**
 * Defines our scripts on a connection. They are sent by hash, and whole if Redis has forgotten
 * them.
 */
export function defineScripts(redis: Redis | Cluster): void {
  for (const { name, files, ...keys } of SCRIPTS) {
    const parts = files.map((file) => readFileSync(join(__dirname, 'lua', file), 'utf8'));
    redis.defineCommand(name, { ...keys, lua: parts.join('\n') });
  }
}
