import type { Redis } from 'ioredis';
import type { Finding } from '../../lib/finding';
import { infoOf, isRewritten } from './append-only-file';
import { findDroppedKeys } from './dropped-keys';
import { nodesOf } from '../nodes';
import { memoryOf } from './redis-memory';
import type { Store } from '../store';

const CLOCK_SKEW_MAX_MS = 60_000;
const MEMORY_SHARE_WARNED = 0.8;
const MEMORY_SHARE_FULL = 0.95;
const CLUSTER_SLOTS = 16_384;

/** Checks the settings that exactness depends on, on every node that may hold a shard. */
export async function checkRedis(store: Store): Promise<Finding[]> {
  const nodes = nodesOf(store);
  const dropped = (await findDroppedKeys(store)).map(({ node: subject, ...found }): Finding => ({
    level: 'error',
    subject,
    ...found,
  }));
  return [...dropped, ...(await Promise.all(nodes.map(checkNode))).flat()];
}

async function checkNode(node: Redis): Promise<Finding[]> {
  const subject = `Redis ${node.options.host}:${node.options.port}`;
  const info = factsOf(await node.info());
  const settings = await readSettings(node);
  return [
    ...checkVersion(info),
    ...(settings === undefined ? [settingsHidden] : checkSettings(settings)),
    ...checkPersistence(info),
    ...(await checkRewrite(node, info, settings)),
    ...checkMemory(info),
    ...checkReplication(info, settings),
    ...(info.get('cluster_enabled') === '1' ? checkCluster(factsOf(String(await node.cluster('INFO')))) : []),
    ...checkClock(Number((await node.time())[0]) * 1000),
  ].map((found) => ({ subject, ...found }));
}

type Found = Omit<Finding, 'subject'>;
type Facts = ReadonlyMap<string, string>;
/** Undefined if the server does not permit CONFIG. */
type Settings = Facts | undefined;

function checkVersion(info: Facts): Found[] {
  const version = info.get('redis_version') ?? '';
  if (Number.parseInt(version, 10) >= 7) return [];
  return [
    {
      level: 'warning',
      problem: `version ${version} is older than the 7 it is tested with`,
      remedy: 'update Redis',
    },
  ];
}

const settingsHidden: Found = {
  level: 'warning',
  problem: 'CONFIG is refused, so its settings cannot be checked',
  remedy: 'make sure that appendonly is yes and maxmemory-policy is noeviction',
};

function checkSettings(settings: Facts): Found[] {
  const findings: Found[] = [];
  if (settings.get('appendonly') !== 'yes') {
    findings.push({
      level: 'error',
      problem:
        'appendonly is off: a restart goes back to the last snapshot, and the log must still reach back to it',
      remedy: 'run `redis-cli -u "$REDIS_URL" CONFIG SET appendonly yes`, and set it in redis.conf',
    });
  }
  if (settings.get('appendfsync') === 'no') {
    findings.push({
      level: 'warning',
      problem: 'appendfsync is no: a crash loses as much as the system has not written',
      remedy: 'run `redis-cli -u "$REDIS_URL" CONFIG SET appendfsync everysec`, and set it in redis.conf',
    });
  }
  return findings;
}

/**
 * A torn append-only file may be counted from twice, and a rewrite after each start prevents that.
 * The fix was merged into Valkey in August 2026. It is not known which releases contain it, so
 * every version is assumed to lack it.
 */
async function checkRewrite(node: Redis, info: Facts, settings: Settings): Promise<Found[]> {
  if (isRewritten(Object.fromEntries(info)) || settings?.get('aof-load-truncated') === 'no') return [];
  if (await mayRewrite(node)) return [];
  const version = info.get('valkey_version') ?? info.get('redis_version') ?? '';
  return [
    {
      level: 'warning',
      code: 'REDIS_FILE_NOT_REWRITTEN',
      problem:
        `BGREWRITEAOF is refused, so version ${version} may count usage twice if it restarts after a crash has torn its ` +
        'append-only file; a close notices that, and stops',
      remedy: 'allow the command (ACL SETUSER <user> +bgrewriteaof), or set aof-load-truncated no',
    },
  ];
}

async function mayRewrite(node: Redis): Promise<boolean> {
  try {
    const user = String(await node.call('ACL', 'WHOAMI'));
    return String(await node.call('ACL', 'DRYRUN', user, 'BGREWRITEAOF')) === 'OK';
  } catch {
    // On an old server, or one that does not permit ACL, it can only be checked whether the command
    // exists.
    const known = await node.call('COMMAND', 'INFO', 'BGREWRITEAOF').catch(() => [null]);
    return Array.isArray(known) && known[0] !== null;
  }
}

/** A setting states what should be written. These fields state whether it was. */
function checkPersistence(info: Facts): Found[] {
  const findings: Found[] = [];
  if (info.get('aof_enabled') === '1' && info.get('aof_last_write_status') !== 'ok') {
    findings.push({
      level: 'error',
      code: 'REDIS_CANNOT_PERSIST',
      problem: 'the last write to its AOF failed: it refuses writes, and a crash loses what is not on disk',
      remedy: 'check its log and the free space of its disk',
    });
  }
  for (const [status, what] of [
    ['rdb_last_bgsave_status', 'snapshot'],
    ['aof_last_bgrewrite_status', 'rewrite of its AOF'],
  ] as const) {
    if ((info.get(status) ?? 'ok') === 'ok') continue;
    findings.push({
      level: 'warning',
      problem: `its last ${what} failed: it may refuse writes, and its AOF grows without end`,
      remedy: 'check its log, the free space of its disk and vm.overcommit_memory',
    });
  }
  return findings;
}

/**
 * Without eviction, a full Redis refuses writes. Consumers then stop: nothing is lost, but nothing
 * is counted either.
 */
function checkMemory(info: Facts): Found[] {
  if (Number(info.get('maxmemory') ?? 0) === 0) return [];
  const { usedBytes, limitBytes } = memoryOf(Object.fromEntries(info));
  const share = usedBytes / limitBytes;
  if (share < MEMORY_SHARE_WARNED) return [];
  return [
    {
      level: share < MEMORY_SHARE_FULL ? 'warning' : 'error',
      problem: `${Math.round(share * 100)} % of maxmemory is used: when it is full, consumers stop`,
      remedy:
        'run `redis-cli -u "$REDIS_URL" CONFIG SET maxmemory 0` or set it to more; or close the months that are due, which frees their ids',
    },
  ];
}

function checkReplication(info: Facts, settings: Facts | undefined): Found[] {
  if (info.get('role') === 'slave') {
    return [
      {
        level: 'error',
        problem: 'it is a replica: it refuses writes, and may show totals of some time ago',
        remedy: 'set REDIS_URL to the primary',
      },
    ];
  }
  const replicas = Number(info.get('connected_slaves') ?? 0);
  if (replicas > 0 && settings?.get('min-replicas-to-write') === '0') {
    return [
      {
        level: 'warning',
        problem:
          'min-replicas-to-write is 0: if it is cut off from its replicas, it continues, and a failover drops what it took in. The ' +
          'log is replayed from there then, but what was shown meanwhile goes back',
        remedy:
          'run `redis-cli -u "$REDIS_URL" CONFIG SET min-replicas-to-write 1`, and set it in redis.conf',
      },
    ];
  }
  return [];
}

function checkCluster(cluster: Facts): Found[] {
  const assigned = Number(cluster.get('cluster_slots_ok') ?? 0);
  if (cluster.get('cluster_state') === 'ok' && assigned === CLUSTER_SLOTS) return [];
  return [
    {
      level: 'error',
      problem: `the cluster serves ${assigned} of ${CLUSTER_SLOTS} slots: shards in the others cannot be counted or read`,
      remedy: 'redis-cli --cluster check <node>; then --cluster fix',
    },
  ];
}

function checkClock(redisMs: number): Found[] {
  const skewMs = Math.abs(redisMs - Date.now());
  if (skewMs <= CLOCK_SKEW_MAX_MS) return [];
  return [
    {
      level: 'warning',
      problem: `its clock and this machine's differ by ${Math.round(skewMs / 1000)} s`,
      remedy: 'set the clocks by NTP: the close goes by this one',
    },
  ];
}

const factsOf = (text: string): Facts => new Map(Object.entries(infoOf(text)));

/** undefined if the server does not permit CONFIG, as hosted ones do not. */
async function readSettings(node: Redis): Promise<Map<string, string> | undefined> {
  const names = ['appendonly', 'appendfsync', 'aof-load-truncated', 'min-replicas-to-write'];
  try {
    const answers = await Promise.all(names.map((name) => node.config('GET', name) as Promise<string[]>));
    return new Map(answers.map(([name = '', value = '']) => [name, value]));
  } catch {
    return undefined;
  }
}
