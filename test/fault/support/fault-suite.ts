import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { createRandom, type Random } from '../../../src/oracle/random';
import { eventually } from '../../kit/eventually';
import { openRedis } from '../../kit/redis/open-redis';
import { installation, type Installation } from '../../kit/tallyman';
import { faultCase, RUN_SEED, type CaseCounts } from './fault-case';
import { startFaultWorld, type FaultWorld, type World } from './fault-world';
import { judge } from './judge';
import { startLoad, type Load, type LoadOptions } from './load';
import { startTallyman, type ProcessEnd, type TallymanProcess } from './tallyman-process';

/** An installation, and the same one as it is seen through the proxies. */
export interface FaultInstallation extends Installation {
  readonly proxied: Installation;
}

/** A process that is started again whenever it ends. */
export interface Supervised {
  /** SIGKILL, counted. */
  kill(): Promise<void>;
  /** How it ended, each time so far. */
  readonly ends: readonly ProcessEnd[];
  /** What all of them said on stderr. */
  said(): string;
  /** An orderly end, for good. */
  stop(): Promise<void>;
}

/** `FAULT_SCALE=0.1` runs a tenth of the load, while a case is being written. */
const SCALE = Number(process.env['FAULT_SCALE'] ?? 1);
const SHOWN_DIFFERENCES = 40;
const SETTLE_TIMEOUT_MS = 180_000;
/** Many times what a case takes on a quiet machine. */
const CASE_TIMEOUT_MS = 300_000;
const RESTART_DELAY_MS = 500;

/** A number of events or kills of a full-size run, at this run's scale. */
export const scaled = (fullSize: number, least = 1): number => Math.max(least, Math.round(fullSize * SCALE));

/** One run of one case: what it works with, and what it counts. */
export class FaultRun<W extends World = FaultWorld> {
  kills = 0;
  events = 0;
  differences: number | undefined;
  private isOver = false;
  private mostPartitions = 0;
  private readonly redis: Redis | Cluster;
  private readonly processes: TallymanProcess[] = [];
  private readonly loads: Load[] = [];

  constructor(
    readonly world: W,
    readonly seed: number,
    readonly random: Random,
  ) {
    // Asked all the time, and Redis may be away: a question waits until it is back.
    this.redis = openRedis(world.direct.REDIS_URL, { maxRetriesPerRequest: null });
  }

  /** A new installation with its topics and cursors. */
  async install(
    partitions = 4,
    more: NodeJS.ProcessEnv = {},
    ...words: string[]
  ): Promise<FaultInstallation> {
    this.mostPartitions = Math.max(this.mostPartitions, partitions);
    const direct = installation({ ...this.world.direct, LOG_LEVEL: 'info', ...more });
    await direct.ok('init', '--partitions', String(partitions), '--timestamps', 'create', ...words);
    const proxied = installation({ ...direct.env, ...this.world.proxied });
    return { ...direct, proxied };
  }

  /**
   * Publishes in the background, seeded by the case. A second load needs another seed, or it only
   * repeats the first.
   */
  load({ prefix }: Installation, options: Omit<LoadOptions, 'seed'> & { readonly seed?: number }): Load {
    const load = startLoad(this.world.direct.KAFKA_BROKERS, prefix, { seed: this.seed, ...options });
    this.loads.push(load);
    return load;
  }

  /** Starts a verb that is ended with the case, if not before. */
  start(tallyman: Installation, ...words: string[]): TallymanProcess {
    if (this.isOver) throw new Error('the case is over');
    const child = startTallyman(tallyman, words);
    this.processes.push(child);
    return child;
  }

  /** Starts a consumer process, of all topics or of those that are named. */
  consume(tallyman: Installation, ...consumers: string[]): TallymanProcess {
    return this.start(tallyman, 'consume', ...consumers);
  }

  /**
   * Keeps a consumer running, as a service manager does: one that ended with an error is started
   * again.
   */
  supervise(tallyman: Installation, ...consumers: string[]): Supervised {
    return this.keep(tallyman, 'consume', ...consumers);
  }

  /** Keeps a verb running in the same way. */
  keep(tallyman: Installation, ...words: string[]): Supervised {
    let current = this.start(tallyman, ...words);
    let isWanted = true;
    const ends: ProcessEnd[] = [];
    const ended = (async () => {
      for (;;) {
        const end = await current.ended();
        if (!isWanted || this.isOver) return;
        ends.push(end);
        await delay(RESTART_DELAY_MS);
        if (isWanted && !this.isOver) current = this.start(tallyman, ...words);
      }
    })();
    return {
      ends,
      kill: () => this.kill(current),
      said: () => [...ends.map(({ stderr }) => stderr), current.said()].join(''),
      stop: async () => {
        isWanted = false;
        await current.stop();
        await ended;
      },
    };
  }

  /** SIGKILL, counted. */
  async kill(child: TallymanProcess): Promise<void> {
    await child.kill();
    this.kills += 1;
  }

  /**
   * The cursors of an installation, summed: how far it is. Of one topic or partition
   * (`<topic>/<shard>`), if named.
   */
  async applied({ prefix }: Installation, place = ''): Promise<number> {
    const shards = Array.from({ length: this.mostPartitions }, (_, shard) => shard);
    const cursors = await Promise.all(
      shards.map((shard) => this.redis.hgetall(`${prefix}:usage:{${shard}}:cursor`)),
    );
    let sum = 0;
    for (const [shard, ofShard] of cursors.entries()) {
      for (const [topic, cursor] of Object.entries(ofShard)) {
        if (`${topic}/${shard}`.includes(place)) sum += Number(cursor);
      }
    }
    return sum;
  }

  /** Waits until something more was applied. */
  async progress(tallyman: Installation, topic = ''): Promise<void> {
    let before: number | undefined;
    const isFurther = async (): Promise<boolean> => {
      for (const { failure } of this.loads)
        if (failure) throw new Error('the load ended', { cause: failure });
      const applied = await this.applied(tallyman, topic);
      return applied > (before ??= applied);
    };
    await eventually(isFurther, {
      timeoutMs: 60_000,
      what: `something is applied${topic && ` of ${topic}`}`,
    });
  }

  /** Waits until a consumer was assigned partitions. */
  async joined(consumer: Pick<TallymanProcess, 'said'>): Promise<void> {
    await eventually(() => consumer.said().includes('"assigned"'), {
      timeoutMs: 60_000,
      what: `the consumer joins its group: ${consumer.said()}`,
    });
  }

  /** Waits until the running consumers have applied this many records in total. */
  async settle(tallyman: Installation, records: number): Promise<void> {
    await eventually(async () => (await this.applied(tallyman)) >= records, {
      timeoutMs: SETTLE_TIMEOUT_MS,
      what: `${records} records are applied`,
    });
  }

  /** Takes the log to its end with an undisturbed consumer. */
  async finish(tallyman: Installation): Promise<void> {
    await tallyman.ok('consume', '--until-caught-up');
  }

  /**
   * Compares every number with the log's recount.
   *
   * @param published how many records must be in the log; absent where a producer's retries may
   *   have added some
   * @throws Error with the seed and what differs, by project and meter
   */
  async judge(tallyman: Installation, published?: number): Promise<void> {
    const { events, differences } = await judge(this.world.direct, tallyman.prefix);
    this.events += events;
    this.note([
      ...(published === undefined || published === events
        ? []
        : [`the log holds ${events} records, published were ${published}`]),
      ...differences,
    ]);
  }

  /** Takes differences into the result. @throws Error if there are any */
  note(differences: readonly string[]): void {
    this.differences = (this.differences ?? 0) + differences.length;
    if (differences.length === 0) return;
    throw new Error(
      [`${differences.length} differences:`, ...differences.slice(0, SHOWN_DIFFERENCES)].join('\n  '),
    );
  }

  /** Leaves nothing running, and the servers as they were. */
  async end(): Promise<void> {
    this.isOver = true;
    this.redis.disconnect();
    await Promise.all(this.processes.map((child) => child.kill()));
    await this.world.restore();
    await Promise.allSettled(this.loads.map((load) => load.stop()));
  }
}

export type FaultCase<W extends World = FaultWorld> = (
  name: string,
  body: (run: FaultRun<W>) => Promise<void>,
  timeoutMs?: number,
) => void;

/**
 * The cases of one file, on a Kafka and a Redis of its own: returns what is to be called for each.
 *
 * @param suite for the table of results
 */
export const faultSuite = (suite: string): FaultCase => casesOn(suite, startFaultWorld);

/** Like `faultSuite`, on other servers. */
export function casesOn<W extends World>(suite: string, start: () => Promise<W>): FaultCase<W> {
  // By the first case, not by a hook of jest's: servers that do not start are a result too.
  let starting: Promise<W> | undefined;
  afterAll(async () => (await starting)?.stop());

  return (name, body, timeoutMs = CASE_TIMEOUT_MS) => {
    const inCase = async (counts: CaseCounts): Promise<void> => {
      const seed = seedOf(name);
      let run: FaultRun<W> | undefined;
      try {
        run = new FaultRun(await (starting ??= start()), seed, createRandom(seed));
        await within(timeoutMs, body(run));
      } finally {
        await run?.end();
        const { kills = 0, events = 0, differences } = run ?? {};
        Object.assign(counts, { kills, events, differences });
      }
    };
    faultCase(suite, name, inCase, timeoutMs);
  };
}

/**
 * Jest would go on to the next case, beside one that hangs; here it is ended, and counted as
 * failed.
 */
async function within(timeoutMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not through after ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Of one case: no other case changes it. */
function seedOf(name: string): number {
  let hash = RUN_SEED;
  for (const character of name) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0;
  return hash;
}
