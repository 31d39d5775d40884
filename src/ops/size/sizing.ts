import { INIT_DEFAULTS } from '../init-defaults';
import { createKeys } from '../../redis/keys';
import { FIGURES, type Figures } from './coefficients';
import { mostOnOneMaster, slotOf } from './hash-slots';

export interface Load {
  /** On average over a month. */
  readonly eventsPerSecond: number;
  /** The busiest time, as a multiple of the average. */
  readonly peak: number;
  /** With usage in a month. */
  readonly projects: number;
  /** That a project uses in a month. A model of inference counts as one. */
  readonly meters: number;
  /** For how long Kafka keeps events. */
  readonly retentionDays: number;
  /** Copies of each topic in Kafka. */
  readonly copies: number;
  /** Months in Redis: the open one, and those that are closed. */
  readonly months: number;
  /** Memory that usage may fill on one master. */
  readonly masterGb: number;
  /** Memory that a consumer process may use. */
  readonly consumerGb: number;
  /** Partitions of each usage topic, and so shards. Absent: as many as the load needs. */
  readonly partitions?: number | undefined;
  /** Masters of Redis. Absent: as many as the load needs. */
  readonly masters?: number | undefined;
}

/** What an installation needs. Bytes and seconds are totals unless they say otherwise. */
export interface Sizing {
  readonly eventsPerMonth: number;
  readonly partitions: number;
  readonly consumers: {
    readonly processes: number;
    readonly cores: number;
    readonly memoryBytesEach: number;
    /** A rebuild is one process, which holds all ids. */
    readonly rebuildMemoryBytes: number;
  };
  readonly redis: {
    readonly masters: number;
    /** The shards of the fullest master. */
    readonly mostShards: number;
    /** The share of one core that it is busy at the peak. */
    readonly busiest: number;
    readonly memoryBytes: RedisMemory;
    readonly mostMemoryBytes: number;
  };
  readonly disk: {
    readonly logBytes: number;
    readonly ledgerBytes: number;
    readonly redisBytes: number;
    readonly secondCountBytes: number;
  };
  readonly seconds: { readonly close: number; readonly verify: number; readonly rebuild: number };
  /** The most events per second of one project, whose events are in one partition. */
  readonly projectPeak: number;
  /** The fullest first. */
  readonly limits: readonly Limit[];
}

interface RedisMemory {
  readonly ids: number;
  readonly totals: number;
  readonly days: number;
  readonly views: number;
  readonly all: number;
}

type LimitName =
  'rebuild' | 'verify' | 'second_count' | 'close' | 'redis_memory' | 'redis_cpu' | 'consumers' | 'partitions';

export interface Limit {
  readonly name: LimitName;
  readonly what: string;
  /** What is used of it: 1 is all. */
  readonly used: number;
  readonly remedy: string;
}

const DAY_SECONDS = 86_400;
/** The longest month. */
const MONTH_DAYS = 31;
/** The open month and the one before. */
const DEDUP_MONTHS = 2;
/** How busy a core may be at the peak: the rest is for catching up. */
const BUSY = 0.6;
/** A Redis Cluster has three masters or more. */
const CLUSTER_MASTERS = 3;
/** Redis rewrites its append-only file when it has doubled, into a new one beside it. */
const REDIS_DISK = 3;
/** `verify --follow` merges its files into new ones beside them. */
const MERGED = 2;
const SHARDS_MAX = 12 * 256;
/** As many were measured. */
const PARTITIONS_MEASURED = 100;
/** The shards of the installations whose CPU was measured. */
const SHARDS_MEASURED = 12;
/** With fewer shards per master, the fullest has far more than its share. */
const SHARDS_PER_MASTER = 4;
/** A larger hash is a table in Redis's memory, and no longer a packed list. */
const PACKED_FIELDS = 512;

/** How large an installation must be for a load. `c` are the measured coefficients. */
export function sizeFor(load: Load, c: Figures = FIGURES): Sizing {
  const eventsPerMonth = load.eventsPerSecond * DAY_SECONDS * MONTH_DAYS;
  const memory = redisMemory(load, eventsPerMonth, c);
  const ids = eventsPerMonth * DEDUP_MONTHS;
  const idBytes = ids * c.consumerIdBytes;
  const { partitions, masters, mostShards } = layoutFor(load, memory.all, idBytes, c);
  const peak = load.eventsPerSecond * load.peak;
  const cpu = cpuOf(load.projects / partitions, c);
  const cores = (peak * cpu.consumer) / 1e6;
  const processes = processesFor(load, cores, idBytes, c);
  const logEvents = load.eventsPerSecond * DAY_SECONDS * load.retentionDays;
  const perProject = fieldsOf(load, eventsPerMonth);
  const fields = load.projects * DEDUP_MONTHS * (perProject.totals + perProject.days);
  const seconds = {
    close: (load.projects * c.closeOf100k) / 100_000,
    verify:
      logEvents / c.verifyPerSecond +
      (load.projects * (load.retentionDays / MONTH_DAYS) * c.verifyMsPerProject) / 1_000,
    rebuild: logEvents / c.rebuildPerSecond,
  };
  const sizing = {
    ...{ eventsPerMonth, partitions },
    consumers: {
      ...{ processes, cores },
      memoryBytesEach: c.consumerMb * 1e6 + idBytes / processes,
      rebuildMemoryBytes: c.consumerMb * 1e6 + idBytes,
    },
    redis: {
      ...{ masters, mostShards, memoryBytes: memory },
      busiest: (peak * cpu.redis * mostShards) / partitions / 1e6,
      mostMemoryBytes: (memory.all * mostShards) / partitions,
    },
    disk: {
      logBytes: logEvents * c.logBytes * load.copies,
      ledgerBytes: load.projects * load.months * c.ledgerBytes * load.copies,
      redisBytes: memory.all * REDIS_DISK,
      secondCountBytes: (ids + fields) * c.followBytes * MERGED,
    },
    seconds,
    projectPeak: Math.floor(1e6 / Math.max(c.consumerCpuOf100, c.redisCpuOf100)),
  };
  return { ...sizing, limits: limitsOf(load, sizing, c) };
}

/**
 * Microseconds per event. The more projects a shard has, the fewer usages of a chunk add up.
 */
function cpuOf(projectsPerShard: number, c: Figures): { consumer: number; redis: number } {
  const points = [
    [100, c.consumerCpuOf100, c.redisCpuOf100],
    [20_000, c.consumerCpuOf20k, c.redisCpuOf20k],
    [1_000_000, c.consumerCpuOf1M, c.redisCpuOf1M],
  ] as const;
  const at = Math.log(projectsPerShard * SHARDS_MEASURED);
  const [from, to] = at < Math.log(points[1][0]) ? [points[0], points[1]] : [points[1], points[2]];
  const [low, high] = [Math.log(from[0]), Math.log(to[0])];
  const part = Math.min(1, Math.max(0, (at - low) / (high - low)));
  const between = (less: number, more: number): number => less + (more - less) * part;
  return {
    consumer: between(from[1], to[1]),
    redis: between(from[2], to[2]),
  };
}

/** The open month, and those that TALLYMAN_KEEP_CLOSED keeps by default. */
const MONTHS_IN_REDIS = 15;

function redisMemory(load: Load, eventsPerMonth: number, c: Figures): RedisMemory {
  const invoiced = load.projects * load.months;
  const projectMonths = load.projects * Math.min(load.months, MONTHS_IN_REDIS);
  const { totals: meters, days } = fieldsOf(load, eventsPerMonth);
  const dayBytes = days > PACKED_FIELDS ? c.looseFieldBytes : c.daysFieldBytes;
  const memory = {
    ids: eventsPerMonth * DEDUP_MONTHS * c.idBytes,
    totals: projectMonths * (c.listedBytes + c.totalsKeyBytes + meters * c.totalsFieldBytes),
    days: projectMonths * (c.daysKeyBytes + days * dayBytes),
    views: load.projects * c.planBytes + invoiced * c.invoiceBytes,
  };
  return { ...memory, all: memory.ids + memory.totals + memory.days + memory.views };
}

/** The fields that a project is expected to have in a month. */
function fieldsOf(load: Load, eventsPerMonth: number): { totals: number; days: number } {
  const events = eventsPerMonth / load.projects;
  return { totals: filled(load.meters, events), days: filled(load.meters * MONTH_DAYS, events) };
}

/** How many of these cells are hit if the events are spread at random. */
const filled = (cells: number, events: number): number => cells * (1 - Math.exp(-events / cells));

/** Enough for the CPU at the peak, and for the ids in memory. */
function processesFor({ consumerGb }: Load, cores: number, idBytes: number, c: Figures): number {
  const room = consumerGb * 1e9 - c.consumerMb * 1e6;
  return Math.max(1, Math.ceil(cores / BUSY), Math.ceil(idBytes / room));
}

interface Layout {
  readonly partitions: number;
  readonly masters: number;
  readonly mostShards: number;
}

/**
 * The smallest number of shards that enough consumers can count and enough masters can hold, with
 * the smallest number of masters. What does not fit even then is more than full among the limits.
 */
function layoutFor(load: Load, memoryBytes: number, idBytes: number, c: Figures): Layout {
  const peak = load.eventsPerSecond * load.peak;
  for (let partitions: number = load.partitions ?? INIT_DEFAULTS.partitions; ; partitions *= 2) {
    const cpu = cpuOf(load.projects / partitions, c);
    const ideal = Math.max((peak * cpu.redis) / 1e6 / BUSY, memoryBytes / (load.masterGb * 1e9));
    const layout = { partitions, ...mastersFor(load, slotsOfShards(partitions), ideal) };
    const processes = processesFor(load, (peak * cpu.consumer) / 1e6, idBytes, c);
    const isEnough =
      processes <= partitions &&
      layout.mostShards * ideal <= partitions &&
      (layout.masters === 1 || layout.masters * SHARDS_PER_MASTER <= partitions);
    if (isEnough || load.partitions !== undefined || partitions >= SHARDS_MAX) return layout;
  }
}

/** @param ideal how many masters could hold everything if it were spread evenly */
function mastersFor(
  load: Load,
  slots: readonly number[],
  ideal: number,
): { masters: number; mostShards: number } {
  const shards = slots.length;
  if (load.masters !== undefined)
    return { masters: load.masters, mostShards: mostOnOneMaster(slots, load.masters) };
  let best = { masters: 1, mostShards: shards };
  const least = Math.max(CLUSTER_MASTERS, Math.ceil(ideal));
  for (let masters = least; best.mostShards * ideal > shards && masters <= shards; masters += 1) {
    const mostShards = mostOnOneMaster(slots, masters);
    if (mostShards < best.mostShards) best = { masters, mostShards };
  }
  return best;
}

/** Hash tags decide, so the prefix of an installation does not matter. */
function slotsOfShards(shards: number): number[] {
  const keys = createKeys('');
  return Array.from({ length: shards }, (_, shard) => slotOf(keys.shard(shard).cursor));
}

function limitsOf(load: Load, sizing: Omit<Sizing, 'limits'>, c: Figures): Limit[] {
  const { partitions, consumers, redis, seconds } = sizing;
  const limits: Limit[] = [
    {
      name: 'rebuild',
      what: 'a rebuild of Redis within a day, in one process',
      used: seconds.rebuild / DAY_SECONDS,
      remedy:
        'Keep replicas and the append-only file, so that no rebuild is needed, or fewer days of events.',
    },
    {
      name: 'verify',
      what: 'a verify of the whole log within a day, in one process',
      used: seconds.verify / DAY_SECONDS,
      remedy: 'Run `tallyman verify` of single months, and `verify --follow`.',
    },
    {
      name: 'second_count',
      what: 'a second count that keeps up, in one process',
      used: load.eventsPerSecond / c.followPerSecond,
      remedy: 'Run `tallyman verify` of single months instead of `verify --follow`.',
    },
    {
      name: 'close',
      what: 'a close within an hour, in one process',
      used: seconds.close / 3_600,
      remedy: 'Expect invoices later on the first day of a month.',
    },
    {
      name: 'redis_memory',
      what: 'the memory of the fullest master',
      used: redis.mostMemoryBytes / (load.masterGb * 1e9),
      remedy: 'Use more masters or larger ones. More than one per shard does not help.',
    },
    {
      name: 'redis_cpu',
      what: `${BUSY * 100} % of a core on the fullest master at the peak`,
      used: redis.busiest / BUSY,
      remedy: 'Use more masters. More than one per shard does not help.',
    },
    {
      name: 'consumers',
      what: 'one consumer process per partition',
      used: consumers.processes / partitions,
      remedy: 'Begin with more partitions.',
    },
    {
      name: 'partitions',
      what: `the ${PARTITIONS_MEASURED} partitions per topic that were measured`,
      used: partitions / PARTITIONS_MEASURED,
      remedy: 'Measure the start of consumers with `npm run bench -- start-up` first.',
    },
  ];
  return limits.sort((a, b) => b.used - a.used);
}
