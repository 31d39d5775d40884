import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scheduler } from 'fast-check';
import { DiskIndex } from '../../../src/dedup/disk-index';
import { IndexTakenError } from '../../../src/dedup/manifest';
import { DamagedIndexError } from '../../../src/dedup/run-file';
import type { RunThread } from '../../../src/dedup/run-thread';
import type { IdRange } from '../../../src/dedup/tail-file';
import { Process, type World } from '../process';
import { keysOf, ModelShard, type Answer, type Sent } from './model-shard';
import { LogGoneError, own } from './owner';
import { recountIds, type LogEntry } from './recount-ids';

export type IdsFault =
  | { do: 'publish'; shard: number; lane: number; kinds: ('new' | 'repeat' | 'void' | 'bad')[] }
  | { do: 'kill' | 'share disk' | 'second owner' | 'end second owners' | 'grow' | 'rebuild' | 'lose reply' }
  | { do: 'lose disk' | 'copy disk' | 'old disk' | 'swap disks' | 'tear disk'; owner: number }
  | { do: 'cut topic' | 'recreate topic' | 'retention'; shard: number }
  | { do: 'lose tail'; writes: number }
  | { do: 'close'; isRecorded: boolean };

const SHARDS = 2;
const LANES = ['u', 'u/2'];
const CHUNK = 3;
const MAX_TAIL_WRITES = 20;

interface Owner {
  readonly shard: number;
  readonly lane: string;
  readonly directory: string;
  readonly isSecond: boolean;
  process: Process;
}

interface Published {
  readonly context: string;
  readonly range: IdRange;
}

/** Owners of lanes, with indexes on real disks, around models of Redis, the log and the topic. */
export class IdsWorld implements World {
  readonly hidesEmptyBatches = false;
  isOver = false;
  shards: ModelShard[];
  /** Shard -> lane -> entries, and the first offset that the log still holds. */
  readonly logs: Map<string, LogEntry[]>[] = [];
  readonly starts: Map<string, number>[] = [];
  readonly topics: Published[][] = [];
  /** An index lacked what the log no longer holds. */
  isStopped = false;
  readonly seen = { refused: 0, fromLog: 0, discarded: 0, taken: 0 };
  private readonly ledger: Map<string, Map<string, number>>[] = [];
  private readonly owners: Owner[] = [];
  private readonly indexes: DiskIndex[] = [];
  private undo: { shard: number; before: Partial<ModelShard> }[] = [];
  private broken: unknown;
  private losesReply = false;
  private atDisk = 0;
  private chosen = 0;
  private ids = 0;
  private names = 0;
  /** Shard -> the ids that were published. */
  private readonly known: number[][] = [];

  constructor(
    readonly scheduler: Scheduler,
    readonly months: number,
    private readonly choices: readonly number[],
    private readonly root: string,
    private readonly thread: RunThread,
  ) {
    this.shards = Array.from({ length: SHARDS }, () => this.newShard());
    for (let shard = 0; shard < SHARDS; shard += 1) {
      for (const list of [this.logs, this.starts, this.ledger]) list.push(new Map());
      this.topics.push([]);
      this.known.push([]);
      this.addLane(shard, LANES[0]!);
    }
  }

  choose(n: number): number {
    return (this.choices[this.chosen++ % this.choices.length] ?? 0) % n;
  }

  passTime(): void {
    // Nothing here depends on the time.
  }

  async run(faults: readonly IdsFault[]): Promise<void> {
    const scenario = this.scenario(faults).finally(() => (this.isOver = true));
    scenario.catch(() => undefined); // Thrown below.
    while (!this.isOver) {
      // Disks are real, and the scheduler waits for them, so that a schedule repeats.
      do await new Promise(setImmediate);
      while (this.atDisk > 0);
      if (!this.isOver) await this.scheduler.waitOne();
    }
    await Promise.allSettled(this.indexes.map((index) => index.close()));
    await scenario;
    if (this.broken !== undefined) throw new Error('broken', { cause: this.broken });
  }

  /** Id -> how often it counts, by Redis and by the recount. */
  totals(): { shown: Map<string, number>; expected: Map<string, number> }[] {
    return this.shards.map(({ totals, cursors, closed }, shard) => {
      const cutOffs = [...closed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, at]) => at);
      const sums = recountIds(this.logs[shard]!, cursors, cutOffs, this.months);
      const expected = new Map([...sums].map(([id, sum]) => [keysOf(halvesOf([id]))[0]!, sum]));
      // An event that was voided in one order was never counted in the other.
      const ofCounted = (all: Map<string, number>): Map<string, number> =>
        new Map([...all].filter(([, sum]) => sum !== 0));
      return { shown: ofCounted(totals), expected: ofCounted(expected) };
    });
  }

  /** An index whose operations the scheduler waits for. */
  async openIndex(directory: string, shard: number): Promise<DiskIndex> {
    const busy = async <T>(work: () => Promise<T>): Promise<T> => {
      this.atDisk += 1;
      try {
        return await work();
      } finally {
        this.atDisk -= 1;
      }
    };
    const index = await busy(() =>
      DiskIndex.open(directory, `u of shard ${shard}`, { thread: this.thread, idsPerRun: 2 }),
    );
    if (index.discarded !== undefined) this.seen.discarded += 1;
    this.indexes.push(index);
    return new Proxy(index, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (name === 'reached' || name === 'contexts') return value.apply(target, args) as unknown;
          return busy(async () => {
            const result = await (value.apply(target, args) as Promise<unknown>);
            await target.settle();
            return result;
          });
        };
      },
    });
  }

  /** The next events of a lane: usage, or one void. */
  read(
    shard: number,
    lane: string,
    from: number,
    end: number,
  ): { next: number; isVoid: boolean; halves: Uint32Array } | undefined {
    const entries = this.logs[shard]!.get(lane)!;
    const most = Math.min(entries.length, from + CHUNK, end);
    if (from >= most) return undefined;
    const isVoid = entries[from]!.kind === 'void';
    const nextVoid = entries.findIndex(({ kind }, offset) => offset > from && kind === 'void');
    const next = isVoid ? from + 1 : nextVoid < 0 ? most : Math.min(most, nextVoid);
    const first = entries[from]!;
    const halves =
      isVoid && first.kind === 'void' ? halvesOf([first.id]) : this.usageOf(shard, lane, from, next);
    return { next, isVoid, halves };
  }

  usageOf(shard: number, lane: string, from: number, next: number): Uint32Array {
    const entries = this.logs[shard]!.get(lane)!.slice(from, next);
    return halvesOf(entries.flatMap((entry) => (entry.kind === 'usage' ? [entry.id] : [])));
  }

  async apply(process: Process, shard: number, sent: Sent): Promise<Answer> {
    const answer = await process.call(`apply ${sent.lane} [${sent.from}, ${sent.next})`, () => {
      this.remember(shard);
      this.names += 1;
      return this.shards[shard]!.apply(sent, String(this.names));
    });
    if (!this.losesReply) return answer;
    this.losesReply = false;
    return 'READ AGAIN';
  }

  publish(shard: number, context: string, range: IdRange): void {
    this.topics[shard]!.push({ context, range });
  }

  private async scenario(faults: readonly IdsFault[]): Promise<void> {
    const world = new Process(this, 'world');
    for (const fault of faults) {
      const steps = this.choose(12);
      for (let step = 0; step <= steps; step += 1) await world.call(fault.do, () => undefined);
      this.inject(fault);
      if (this.isDone()) return;
    }
    this.endSecondOwners();
    for (let round = 0; round < 4_000; round += 1) {
      if (this.isDone()) return;
      const isApplied = this.logs.every((logs, shard) =>
        [...logs].every(([lane, { length }]) => this.shards[shard]!.cursors.get(lane) === length),
      );
      if (isApplied) return;
      await world.call('settle', () => undefined);
    }
    throw new Error(`stuck at ${JSON.stringify(this.shards.map(({ cursors }) => [...cursors]))}`);
  }

  private isDone(): boolean {
    return this.isStopped || this.broken !== undefined;
  }

  private inject(fault: IdsFault): void {
    switch (fault.do) {
      case 'publish':
        return this.publishEvents(fault);
      case 'kill':
        return this.restart(this.owners[this.choose(this.owners.length)]!);
      case 'share disk':
      case 'second owner': {
        const { shard, lane, directory } = this.owners[this.choose(this.owners.length)]!;
        const other = fault.do === 'share disk' ? directory : this.newDirectory();
        return this.start({ shard, lane, directory: other, isSecond: true });
      }
      case 'end second owners':
        return this.endSecondOwners();
      case 'grow':
        for (let shard = 0; shard < SHARDS; shard += 1)
          if (!this.logs[shard]!.has(LANES[1]!)) this.addLane(shard, LANES[1]!);
        this.undo = []; // The cursors are on the disk before the partitions exist.
        return;
      case 'rebuild': {
        if (this.starts.some((starts) => [...starts.values()].some((start) => start > 0))) return;
        for (const { process } of this.owners) process.kill();
        this.undo = [];
        this.shards = this.shards.map(({ cursors }, shard) => {
          const emptied = this.newShard();
          for (const lane of cursors.keys()) emptied.cursors.set(lane, 0);
          emptied.closed = structuredClone(this.ledger[shard]!);
          return emptied;
        });
        return [...this.owners].forEach((owner) => this.restart(owner));
      }
      case 'lose reply':
        this.losesReply = true;
        return;
      case 'lose tail':
        for (const { shard, before } of this.undo.splice(-fault.writes).reverse())
          Object.assign(this.shards[shard]!, before);
        this.undo = [];
        for (const [shard, months] of this.ledger.entries())
          for (const [month, at] of months) this.shards[shard]!.closed.set(month, new Map(at));
        return;
      case 'close': {
        for (const [shard, model] of this.shards.entries()) {
          const month = `2026-${String(this.ledger[shard]!.size + 1).padStart(2, '0')}`;
          this.remember(shard);
          model.cutOff(month);
          const at = model.closed.get(month);
          if (fault.isRecorded && at) this.ledger[shard]!.set(month, new Map(at));
        }
        return;
      }
      case 'cut topic': {
        const topic = this.topics[fault.shard]!;
        topic.splice(0, this.choose(topic.length + 1));
        return;
      }
      case 'recreate topic':
        this.topics[fault.shard]!.length = 0;
        return;
      case 'retention': {
        const { cursors } = this.shards[fault.shard]!;
        for (const [lane, cursor] of cursors) {
          const safe = Math.min(
            cursor,
            ...this.undo.flatMap(({ shard, before }) =>
              shard === fault.shard ? (before.cursors?.get(lane) ?? cursor) : [],
            ),
          );
          this.starts[fault.shard]!.set(lane, Math.max(this.starts[fault.shard]!.get(lane)!, safe));
        }
        return;
      }
      case 'lose disk':
      case 'copy disk':
      case 'old disk':
      case 'swap disks':
      case 'tear disk':
        return this.changeDisk(fault.do, this.owners[fault.owner % this.owners.length]!);
    }
  }

  private changeDisk(
    what: 'lose disk' | 'copy disk' | 'old disk' | 'swap disks' | 'tear disk',
    owner: Owner,
  ): void {
    const { directory } = owner;
    const backup = `${directory}.old`;
    if (!existsSync(directory)) return;
    if (what === 'copy disk') {
      rmSync(backup, { recursive: true, force: true });
      return cpSync(directory, backup, { recursive: true });
    }
    const other = this.owners.find((one) => one.directory !== directory && existsSync(one.directory))!;
    const users = this.owners.filter(
      (one) => one.directory === directory || (what === 'swap disks' && one.directory === other.directory),
    );
    for (const { process } of users) process.kill();
    if (what === 'lose disk') rmSync(directory, { recursive: true });
    else if (what === 'old disk' && existsSync(backup)) {
      rmSync(directory, { recursive: true });
      cpSync(backup, directory, { recursive: true });
    } else if (what === 'swap disks' && other) {
      renameSync(directory, `${directory}.swap`);
      renameSync(other.directory, directory);
      renameSync(`${directory}.swap`, other.directory);
    } else if (what === 'tear disk') {
      const names = readdirSync(directory);
      if (names.length > 0) {
        const path = join(directory, names.sort()[this.choose(names.length)]!);
        const bytes = readFileSync(path);
        if (this.choose(2) === 0) writeFileSync(path, bytes.subarray(0, this.choose(bytes.length + 1)));
        else if (bytes.length > 0) {
          bytes[this.choose(bytes.length)]! ^= 1 << this.choose(8);
          writeFileSync(path, bytes);
        }
      }
    }
    for (const user of users) this.restart(user);
  }

  private publishEvents({ shard, lane: number, kinds }: IdsFault & { do: 'publish' }): void {
    const logs = this.logs[shard]!;
    const lane = LANES[number % logs.size]!;
    const known = this.known[shard]!;
    const entries = logs.get(lane)!;
    for (const kind of kinds) {
      if (kind === 'bad') {
        entries.push({ kind });
        continue;
      }
      // A void may come before its event, and both in any lane.
      const isNew = known.length === 0 || kind === 'new' || (kind === 'void' && this.choose(4) === 0);
      if (isNew) known.push((this.ids += 1));
      const id = isNew ? this.ids : known[this.choose(known.length)]!;
      entries.push({ kind: kind === 'void' ? kind : 'usage', id });
    }
  }

  private newShard(): ModelShard {
    this.names += 1;
    return new ModelShard(`generation ${this.names}`, this.months);
  }

  private addLane(shard: number, lane: string): void {
    this.shards[shard]!.cursors.set(lane, 0);
    this.logs[shard]!.set(lane, []);
    this.starts[shard]!.set(lane, 0);
    this.start({ shard, lane, directory: this.newDirectory(), isSecond: false });
  }

  private newDirectory(): string {
    this.names += 1;
    return join(this.root, `disk-${this.names}`);
  }

  private remember(shard: number): void {
    this.undo.push({ shard, before: this.shards[shard]!.copy() });
    if (this.undo.length > MAX_TAIL_WRITES) this.undo.shift();
  }

  private endSecondOwners(): void {
    for (const owner of this.owners.filter(({ isSecond }) => isSecond)) {
      owner.process.kill();
      this.owners.splice(this.owners.indexOf(owner), 1);
    }
  }

  private restart(owner: Owner): void {
    owner.process.kill();
    this.owners.splice(this.owners.indexOf(owner), 1);
    this.start(owner);
  }

  private start(place: Omit<Owner, 'process'>): void {
    const { shard, lane, directory, isSecond } = place;
    const process = new Process(this, `owner of ${lane} in ${shard}`);
    const owner = { shard, lane, directory, isSecond, process };
    this.owners.push(owner);
    const counted = (async () => {
      await process.call('start', () => undefined);
      return own(process, this, owner);
    })();
    counted.catch((error: unknown) => {
      if (!process.alive || this.isOver) return;
      if (error instanceof LogGoneError) this.isStopped = true;
      else if (error instanceof DamagedIndexError) rmSync(directory, { recursive: true, force: true });
      else if (error instanceof IndexTakenError || (error as NodeJS.ErrnoException).code === 'ENOENT')
        this.seen.taken += 1;
      else this.broken ??= error;
      if (!this.isDone()) this.restart(owner); // Its supervisor.
    });
  }
}

/** Fingerprints whose order is not that of their numbers. */
export const halvesOf = (ids: readonly number[]): Uint32Array =>
  Uint32Array.from(
    ids.flatMap((id) => [Math.imul(id, 0x9e3779b1) >>> 0, 1 + (Math.imul(id, 0x85ebca6b) >>> 1)]),
  );
