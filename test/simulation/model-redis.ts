import type { ApplyAnswer, Chunk } from '../../src/redis/apply/chunk';
import { createKeys } from '../../src/redis/keys';
import { RedisUnavailableError, type Store } from '../../src/redis/store';
import { TotalsModel } from '../kit/redis/totals-model';
import type { Process } from './process';

type Shard = TotalsModel & { seals: Set<string> };

const cursorsOf = (json: string): Map<string, number> =>
  new Map(Object.entries(JSON.parse(json) as Record<string, number>));
const jsonOf = (cursors: ReadonlyMap<string, number>): string => JSON.stringify(Object.fromEntries(cursors));

/** A crash loses no more: the rest is on disk. */
const MAX_TAIL_WRITES = 30;

/**
 * One Redis with every shard. What each shard does with a chunk is `TotalsModel`, which a property
 * test holds against the scripts in a real Redis. Its last writes may be lost, as after a crash
 * with `appendfsync everysec`: all that was written together goes back together.
 */
export class ModelRedis {
  shards: Shard[];
  isAway = false;
  /**
   * What becomes of the next writes on their way: the reply is lost, or the client sends the
   * command twice.
   */
  readonly wireFaults: ('lost reply' | 'sent twice')[] = [];
  private undo: { readonly cursors: readonly number[]; back(): void }[] = [];

  constructor(
    private readonly shardCount: number,
    private readonly topic: string,
  ) {
    this.shards = Array.from({ length: shardCount }, () => newShard([topic]));
  }

  /** Cursors of new partitions. They are on disk before the partitions exist. */
  addCursors(partitions: number): void {
    for (let partition = this.shardCount; partition < partitions; partition += 1) {
      const { cursors } = this.shards[partition % this.shardCount]!;
      if (!cursors.has(`${this.topic}/${partition}`)) cursors.set(`${this.topic}/${partition}`, 0);
    }
    this.undo = [];
  }

  /** Goes back by this many writes. What is left is on disk. */
  loseTail(writes: number): void {
    for (const write of this.undo.splice(-writes).reverse()) write.back();
    this.undo = [];
  }

  /** How far back a partition's cursor may still go: below, retention does no harm. */
  safeOffset(partition: number): number {
    return Math.min(
      ...[this.cursors(), ...this.undo.map(({ cursors }) => cursors)].map((all) => all[partition]!),
    );
  }

  cursor(partition: number): number | undefined {
    return this.shards[partition % this.shardCount]!.cursors.get(this.laneOf(partition));
  }

  private laneOf(partition: number): string {
    return partition < this.shardCount ? this.topic : `${this.topic}/${partition}`;
  }

  /** The leader epoch of the last record below the cursor, if that is still the cursor. */
  epoch(partition: number, cursor: number): number | undefined {
    const { cursors, epochs } = this.shards[partition % this.shardCount]!;
    const lane = this.laneOf(partition);
    return cursors.get(lane) === cursor ? epochs.get(lane) : undefined;
  }

  /** Everything is gone but what the ledger brings back: `tallyman rebuild`. */
  wipe(): void {
    this.undo = [];
    this.shards = this.shards.map(({ cursors }) => newShard([...cursors.keys()]));
  }

  async apply(process: Process, partition: number, chunk: Chunk, lastClosed?: string): Promise<ApplyAnswer> {
    const placed = { ...chunk, lane: this.laneOf(partition) };
    return this.write(process, `apply ${partition} [${chunk.from}, ${chunk.next})`, () =>
      this.onShard(partition % this.shardCount, (model) => model.apply(placed, lastClosed)),
    );
  }

  /** As much of a store as freezing, restoring and sealing need. */
  store(process: Process): Store {
    const read = <T>(what: string, effect: () => T): Promise<T> => this.read(process, what, effect);
    const write = <T>(what: string, effect: () => T): Promise<T> => this.write(process, what, effect);
    const shardOf = (key: string): number => Number(/\{(\d+)\}/.exec(key)![1]);
    const redis = {
      get: () => read('get', () => String(this.shards.length)),
      exists: () => read('exists', () => 0), // For the shard beyond the last one.
      hdel: (key: string, run: string) =>
        write('hdel', () => this.onShard(shardOf(key), ({ seals }) => seals.delete(run))),
      hexists: (key: string, run: string) =>
        read('hexists', () => (this.shards[shardOf(key)]!.seals.has(run) ? 1 : 0)),
      freezeMonth: (key: string, _: string, month: string) =>
        write(`freeze ${month}`, () =>
          this.onShard(shardOf(key), (model) => {
            const frozen = model.freeze(month);
            if (typeof frozen !== 'string') return ['FROZEN', jsonOf(frozen)];
            return frozen === 'BEHIND_FREEZE' ? ['BEHIND', month, ''] : ['LATER_FROZEN', ''];
          }),
        ),
      restoreFreeze: (key: string, _: string, month: string, json: string) =>
        write(`restore ${month}`, () =>
          this.onShard(shardOf(key), (model) => {
            const restored = model.restoreFreeze(month, cursorsOf(json));
            if (restored === 'FREEZE_LOST') return ['PASSED', '', ''];
            if (restored === 'FREEZE_CONFLICT') return ['DIFFERENT', ''];
            return [restored ? 'RESTORED' : 'PRESENT'];
          }),
        ),
      sealFreeze: (key: string, _: string, __: string, month: string, run: string) =>
        write(`seal ${month}`, () =>
          this.onShard(shardOf(key), (model) => {
            const frozen = model.closed.get(month);
            if (!frozen) return ['UNFROZEN'];
            const behind = [...frozen].find(([topic, at]) => (model.cursors.get(topic) ?? 0) < at);
            if (behind) return ['BEHIND', behind[0]];
            model.seals.add(run);
            return ['SEALED', jsonOf(frozen)];
          }),
        ),
    };
    return { redis, keys: createKeys('') } as unknown as Store;
  }

  async read<T>(process: Process, what: string, effect: () => T): Promise<T> {
    const answer = await process.call(`redis ${what}`, () => (this.isAway ? undefined : { value: effect() }));
    if (!answer) throw new RedisUnavailableError('model', 'away');
    return answer.value;
  }

  private async write<T>(process: Process, what: string, effect: () => T): Promise<T> {
    const fault = this.wireFaults.shift();
    const value = await this.read(process, what, effect);
    if (fault === 'sent twice') return this.read(process, `${what} again`, effect);
    if (fault === 'lost reply') throw new RedisUnavailableError('model', 'timed out');
    return value;
  }

  private onShard<T>(shard: number, effect: (model: Shard) => T): T {
    const model = this.shards[shard]!;
    const { cursors, epochs, closed, totals, daily, projects, ids, seals } = model;
    const before = structuredClone({ cursors, epochs, closed, totals, daily, projects, ids, seals });
    this.remember(() => void Object.assign(this.shards[shard]!, before));
    return effect(model);
  }

  private remember(back: () => void): void {
    this.undo.push({ cursors: this.cursors(), back });
    if (this.undo.length > MAX_TAIL_WRITES) this.undo.shift();
  }

  private cursors(): number[] {
    const count = this.shards.reduce((sum, { cursors }) => sum + cursors.size, 0);
    return Array.from({ length: count }, (_, partition) => this.cursor(partition)!);
  }
}

function newShard(lanes: readonly string[]): Shard {
  const model = Object.assign(new TotalsModel(), { seals: new Set<string>() });
  for (const lane of lanes) model.cursors.set(lane, 0);
  return model;
}
