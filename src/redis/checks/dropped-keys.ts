import type { Redis } from 'ioredis';
import { TallymanError } from '../../lib/errors';
import { infoOf } from './append-only-file';
import { nodesOf } from '../nodes';
import type { Store } from '../store';

/** A server that has dropped keys, or may do so at any moment. */
export interface DroppedKeys {
  readonly node: string;
  readonly code: 'REDIS_EVICTED' | 'REDIS_MAY_EVICT';
  readonly problem: string;
  readonly remedy: string;
}

interface Evictions {
  readonly node: string;
  /** Identifies this start of the server. */
  readonly run: string;
  readonly evicted: number;
  /** Undefined if the server does not report it. */
  readonly policy: string | undefined;
}

/**
 * The servers that have dropped keys since they started, except for keys that a rebuild has
 * restored since, and the servers that may drop keys. It is unknown which keys are gone: they may
 * be totals, cursors or ids of any project.
 */
export async function findDroppedKeys(store: Store): Promise<DroppedKeys[]> {
  const noted = new Map(Object.entries(await store.redis.hgetall(store.keys.evicted)));
  return (await readEvictions(store)).flatMap(({ node, run, evicted, policy }): DroppedKeys[] => {
    const dropped = evicted - Number(noted.get(run) ?? 0);
    if (dropped > 0) {
      return [
        {
          node,
          code: 'REDIS_EVICTED',
          problem: `it has evicted ${dropped} keys since it started: usage is missing, and it is unknown whose`,
          remedy:
            'run `redis-cli -u "$REDIS_URL" CONFIG SET maxmemory-policy noeviction`, and set it in redis.conf; give it more memory; then stop ' +
            'the consumers, and run tallyman rebuild --empty',
        },
      ];
    }
    if (policy === undefined || policy === 'noeviction') return [];
    return [
      {
        node,
        code: 'REDIS_MAY_EVICT',
        problem: `maxmemory-policy is ${policy}: a full Redis deletes totals`,
        remedy:
          'run `redis-cli -u "$REDIS_URL" CONFIG SET maxmemory-policy noeviction`, and set it in redis.conf',
      },
    ];
  });
}

/**
 * Refuses to work with a Redis that has dropped keys, or may.
 *
 * @throws TallymanError `REDIS_EVICTED`, `REDIS_MAY_EVICT`
 */
export async function checkNothingDropped(store: Store): Promise<void> {
  const [first] = await findDroppedKeys(store);
  if (!first) return;
  const { node, code, problem, remedy } = first;
  throw new TallymanError(code, `${node}: ${problem}. To do: ${remedy}.`, { node });
}

/**
 * Records what was evicted up to now. A rebuild calls this on an empty Redis, because it restores
 * all of that.
 */
export async function noteEvictions(store: Store): Promise<void> {
  const entries = (await readEvictions(store)).flatMap(({ run, evicted }) => [run, evicted]);
  await store.redis.del(store.keys.evicted);
  if (entries.length > 0) await store.redis.hset(store.keys.evicted, ...entries);
}

async function readEvictions(store: Store): Promise<Evictions[]> {
  return (await Promise.all(nodesOf(store).map(evictionsOf))).flat();
}

async function evictionsOf(node: Redis): Promise<Evictions[]> {
  let info: Record<string, string>;
  try {
    info = infoOf(await node.info());
  } catch (error) {
    // `doctor` reports a server that does not permit INFO.
    if (error instanceof Error && /NOPERM|unknown command/.test(error.message)) return [];
    throw error;
  }
  return [
    {
      node: `Redis ${node.options.host}:${node.options.port}`,
      run: info['run_id'] ?? '',
      evicted: Number(info['evicted_keys'] ?? 0),
      policy: info['maxmemory_policy'],
    },
  ];
}
