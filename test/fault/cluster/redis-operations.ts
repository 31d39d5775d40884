import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import type { NativeService } from '../../../src/dev/services/service';
import { eventually } from '../../kit/eventually';
import { untilReplicated, type ClusterWorld } from './cluster-world';
import { onRedis } from '../support/proxy/redis-faults';

const execute = promisify(execFile);

/** What an operator does to a Redis Cluster. */

/** A master, and the replica that takes over from it. */
export interface Pair {
  readonly master: NativeService;
  readonly replica: NativeService;
}

interface NodeLine {
  readonly id: string;
  readonly node: NativeService;
  readonly flags: readonly string[];
  readonly masterId: string;
  readonly slots: readonly (readonly [first: number, last: number])[];
}

/** The nodes as a node that runs describes them. */
async function describe({ redisNodes }: ClusterWorld): Promise<NodeLine[]> {
  const text = await anyNode(redisNodes, async (client) => String(await client.cluster('NODES')));
  return text
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [id = '', address = '', flags = '', masterId = '', , , , , ...slots] = line.split(' ');
      const node = redisNodes.find(({ port }) => address.startsWith(`127.0.0.1:${port}@`));
      if (node === undefined) return [];
      const ranges = slots
        .filter((range) => !range.startsWith('['))
        .map((range) => range.split('-').map(Number))
        .map(([first, last]) => [first!, last ?? first!] as const);
      return [{ id, node, flags: flags.split(','), masterId, slots: ranges }];
    });
}

async function anyNode<T>(nodes: readonly NativeService[], work: (client: Redis) => Promise<T>): Promise<T> {
  let failure: unknown;
  for (const { port } of nodes) {
    const client = new Redis(port, { maxRetriesPerRequest: 0, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      return await work(client);
    } catch (error) {
      failure = error;
    } finally {
      client.disconnect();
    }
  }
  throw failure;
}

/**
 * Each master with slots, and its replica. Nodes hear of each other a moment late, so this waits
 * until the one that is asked knows a replica of every master.
 */
export async function pairs(world: ClusterWorld): Promise<Pair[]> {
  return eventually(
    async () => {
      const nodes = await describe(world);
      return nodes
        .filter(({ flags, slots }) => flags.includes('master') && !flags.includes('fail') && slots.length > 0)
        .map(({ id, node }) => ({
          master: node,
          replica: nodes.find(({ masterId }) => masterId === id)!.node,
        }));
    },
    { timeoutMs: 60_000, what: 'a replica of every master' },
  );
}

export async function idOf(world: ClusterWorld, node: NativeService): Promise<string> {
  return (await describe(world)).find((one) => one.node === node)!.id;
}

/** How many slots a master serves. */
export async function slotCountOf(world: ClusterWorld, node: NativeService): Promise<number> {
  const { slots } = (await describe(world)).find((one) => one.node === node)!;
  return slots.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** The slot of a shard, and the master that serves it. */
export async function placeOf(
  world: ClusterWorld,
  prefix: string,
  shard: number,
): Promise<{ slot: number; master: NativeService }> {
  const key = `${prefix}:usage:{${shard}}:cursor`;
  const slot = Number(await anyNode(world.redisNodes, (client) => client.cluster('KEYSLOT', key)));
  const owner = await eventually(
    async () =>
      (await describe(world)).find(({ slots }) =>
        slots.some(([first, last]) => first <= slot && slot <= last),
      ),
    { timeoutMs: 60_000, what: `a master of slot ${slot}` },
  );
  return { slot, master: owner.node };
}

/** Waits until this node is a master. */
export async function untilMaster(node: NativeService): Promise<void> {
  await onRedis(node, (client) =>
    eventually(async () => (await client.info('replication')).includes('role:master'), {
      timeoutMs: 60_000,
      what: `${node.address} becomes a master`,
    }),
  );
}

/**
 * A replica takes over in good order: its master hands over what it has. The replica refuses the
 * order while it still synchronises, and forgets it after 5 s if the other masters have not voted
 * by then. A new order begins those 5 s again, so it is given every 6 s only.
 */
export async function failOver({ replica }: Pair): Promise<void> {
  const isMaster = async (client: Redis): Promise<boolean> =>
    (await client.info('replication')).includes('role:master');
  await onRedis(replica, (client) =>
    eventually(
      async () => {
        if (await isMaster(client)) return true;
        await client.cluster('FAILOVER');
        return eventually(() => isMaster(client), { timeoutMs: 6_000 });
      },
      { timeoutMs: 60_000, what: `${replica.address} becomes a master` },
    ),
  );
}

/** Lets a replica learn nothing more from its master. Returns what ends that. */
export async function cutOff(replica: NativeService): Promise<() => Promise<void>> {
  await onRedis(replica, async (client) => {
    await client.call('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'wrong');
    await client.call('CLIENT', 'KILL', 'TYPE', 'master');
    await eventually(async () => (await client.info('replication')).includes('master_link_status:down'));
  });
  return () =>
    onRedis(replica, async (client) => {
      await client.call('CONFIG', 'SET', 'masteruser', '', 'masterauth', '');
    });
}

/**
 * Moves a slot to another master, key by key, as `redis-cli --cluster reshard` does.
 *
 * @param halfMoved called when half of the keys have moved
 */
export async function moveSlot(
  world: ClusterWorld,
  slot: number,
  [from, to]: readonly [NativeService, NativeService],
  halfMoved: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const [fromId, toId] = [await idOf(world, from), await idOf(world, to)];
  await onRedis(to, (client) => client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId));
  await onRedis(from, async (client) => {
    await client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    const half = Math.floor(Number(await client.cluster('COUNTKEYSINSLOT', slot)) / 2);
    const move = async (count: number): Promise<number> => {
      const keys = await client.cluster('GETKEYSINSLOT', slot, count);
      if (keys.length > 0) await client.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
      return keys.length;
    };
    await move(half);
    await halfMoved();
    while ((await move(100)) > 0);
  });
  const up = (await describe(world)).filter(({ flags }) => !flags.includes('fail'));
  // The new owner first, so that no node sends a client to one that does not know of its slot.
  for (const node of [to, ...up.map((one) => one.node).filter((one) => one !== to)])
    await onRedis(node, async (client) => {
      // Its own word: after a failover, the other nodes still call the old master one for a moment.
      if ((await client.role())[0] === 'master') await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    });
  await untilReplicated(world.redisNodes);
}

/** `redis-cli --cluster ...`: what it prints. An error has the end of it. */
export async function redisCli(...words: (string | number)[]): Promise<string> {
  try {
    const limits = { maxBuffer: 64 * 1_048_576 };
    return (await execute('redis-cli', ['--cluster', ...words.map(String)], limits)).stdout;
  } catch (error) {
    const { stdout = '' } = error as { stdout?: string };
    throw new Error(`redis-cli ${words.join(' ')}: ${stdout.slice(-500)}`, { cause: error });
  }
}
