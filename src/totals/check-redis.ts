import { Cluster, type Redis } from 'ioredis';
import type { Finding } from '../finding';
import type { Store } from './store';

/** `set-max-intset-entries` up to which apply.lua lets a bucket of ids grow. */
const INTSET_ENTRIES_NEEDED = 512;
const CLOCK_SKEW_MAX_MS = 60_000;

/** Checks the settings that exactness stands on, on every node that may hold a shard. */
export async function checkRedis(store: Store): Promise<Finding[]> {
  const nodes = store.redis instanceof Cluster ? store.redis.nodes('master') : [store.redis];
  return (await Promise.all(nodes.map(checkNode))).flat();
}

async function checkNode(node: Redis): Promise<Finding[]> {
  const subject = `Redis ${node.options.host}:${node.options.port}`;
  const findings: Finding[] = [];
  const find = (level: Finding['level'], problem: string, remedy: string): void => {
    findings.push({ level, subject, problem, remedy });
  };

  const version = /redis_version:(\d+)\.(\S+)/.exec(await node.info('server'));
  if (version && Number(version[1]) < 7) {
    find(
      'warning',
      `version ${version[1]}.${version[2]} is older than the 7 it is tested with`,
      'update Redis',
    );
  }

  const settings = await readSettings(node);
  if (settings === undefined) {
    find(
      'warning',
      'CONFIG is refused, so its settings cannot be checked',
      'see to it that appendonly is yes and maxmemory-policy noeviction',
    );
  } else {
    if (settings.get('appendonly') !== 'yes') {
      find(
        'error',
        'appendonly is off: a restart goes back to the last snapshot, and the log must still reach back to it',
        'redis-cli CONFIG SET appendonly yes; and in redis.conf',
      );
    }
    const policy = settings.get('maxmemory-policy');
    if (policy !== 'noeviction') {
      find(
        'error',
        `maxmemory-policy is ${policy}: a full Redis throws totals away`,
        'redis-cli CONFIG SET maxmemory-policy noeviction; and in redis.conf',
      );
    }
    if (settings.get('appendfsync') === 'no') {
      find(
        'warning',
        'appendfsync is no: a crash loses as much as the system has not written',
        'redis-cli CONFIG SET appendfsync everysec',
      );
    }
    const entries = Number(settings.get('set-max-intset-entries'));
    if (entries < INTSET_ENTRIES_NEEDED) {
      find(
        'warning',
        `set-max-intset-entries is ${entries}: remembered ids take up to eight times the memory`,
        `redis-cli CONFIG SET set-max-intset-entries ${INTSET_ENTRIES_NEEDED}`,
      );
    }
  }

  const [seconds] = await node.time();
  const skewMs = Math.abs(Number(seconds) * 1000 - Date.now());
  if (skewMs > CLOCK_SKEW_MAX_MS) {
    find(
      'warning',
      `its clock and this machine's differ by ${Math.round(skewMs / 1000)} s`,
      'set the clocks by NTP: the close goes by this one',
    );
  }
  return findings;
}

/** undefined where the server keeps CONFIG to itself, as hosted ones do. */
async function readSettings(node: Redis): Promise<Map<string, string> | undefined> {
  const names = ['appendonly', 'appendfsync', 'maxmemory-policy', 'set-max-intset-entries'];
  try {
    const answers = await Promise.all(names.map((name) => node.config('GET', name) as Promise<string[]>));
    return new Map(answers.map(([name = '', value = '']) => [name, value]));
  } catch {
    return undefined;
  }
}
