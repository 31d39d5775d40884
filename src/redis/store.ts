import { Cluster, Redis, ReplyError, type ClusterNode, type RedisOptions } from 'ioredis';
import type { TlsOptions } from '../lib/config';
import { TallymanError } from '../lib/errors';
import { connectorThrough, RewriteGate } from './checks/append-only-file';
import type { KafkaClient } from '../kafka/client';
import { defineScripts } from './scripts';
import { createFingerprinter, type Fingerprinter } from './apply/fingerprint';
import { createKeys, type Keys } from './keys';
import { DedupIndex } from './apply/dedup-index';
import { refusalOf, RedisUnavailableError, sentinelRefused } from './redis-errors';

/** A command's name and its arguments: `['hgetall', key]`. */
export type Command = readonly [name: string, ...args: (string | number)[]];

/** An open Redis, or Redis Cluster, of one installation. */
export interface Store {
  readonly redis: Redis | Cluster;
  readonly keys: Keys;
  readonly fingerprinter: Fingerprinter;
  readonly dedupIndex: DedupIndex;
  /** The Kafka that holds the months that have left Redis. It is opened at need. */
  readonly ledgers: { readonly kafka: () => KafkaClient; readonly prefix: string } | undefined;
  /**
   * Sends commands in one write, which takes a third of the time of single ones, and returns the
   * replies in order. On a cluster, each command goes to its own node. Rejects with the first
   * error; the others may have taken effect.
   */
  send(commands: readonly Command[]): Promise<unknown[]>;
  /** Waits for the current commands and closes the connections. It may be called again. */
  close(): Promise<void>;
  /** Ends the connections at once. Current commands fail, although Redis may have executed them. */
  cut(): void;
}

export { RedisUnavailableError };

export interface StoreOptions {
  readonly url: string;
  /** For `rediss://`. */
  readonly tls?: TlsOptions;
  readonly prefix: string;
  /** Opens the Kafka of this installation. */
  readonly kafka?: () => KafkaClient;
  /**
   * For a process that writes nothing: a restarted Redis does not have to rewrite its append-only
   * file first.
   */
  readonly onlyReads?: boolean;
  /** Called when connections wait for a Redis that was restarted. */
  readonly onWait?: (text: string) => void;
}

/**
 * How long a command may take, including the wait for a connection. It is shorter than a consumer's
 * Kafka session (10 s), because a consumer that waits longer loses its partitions without noticing.
 */
const COMMAND_TIMEOUT_MS = 6_000;
const CONNECT_TIMEOUT_MS = 5_000;
const LONGEST_RETRY_MS = 1_000;
const WAITING_FOR_REWRITE =
  'it was restarted, and rewrites its append-only file before anything is written to it';

/**
 * Opens Redis and makes sure that it answers. A restarted Redis rewrites its append-only file
 * first, however long that takes: see RewriteGate.
 *
 * @param options.url `redis://[user:password@]host[:port][/db]`, `rediss://...`; a cluster's nodes
 *   separated by commas, or `redis+cluster://host:port` for one node that lists the others
 * @throws RedisUnavailableError; TallymanError `REDIS_FILE_NOT_REWRITTEN`, or what `refusalOf`
 *   makes of its answer
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const keys = createKeys(options.prefix);
  const makingFingerprinter = createFingerprinter(); // In parallel with the connection.
  const gate = new RewriteGate((address) =>
    options.onWait?.(
      `Redis at ${address} was restarted: waiting until it has rewritten its append-only file`,
    ),
  );
  const redis = connect(options, options.onlyReads ? undefined : gate);
  // Every failed command rejects with its reason. Without a listener, a lost connection would also
  // end the process.
  let lastError: unknown;
  let selectError: Error | undefined;
  redis.on('error', (error: Error & { command?: { name: string }; lastNodeError?: Error }) => {
    // A cluster's own error only says that no node gave it the slots.
    lastError = error.lastNodeError ?? error;
    // The client goes on with database 0, where another installation may be.
    if (error.command?.name === 'select') selectError = error;
  });
  redis.on('ready', () => (lastError = undefined));
  const address = withoutPassword(options.url);
  const told = (error: unknown): unknown => {
    if (error instanceof TallymanError) return error;
    const refusal = refusalOf(address, error) ?? (error instanceof ReplyError ? error : undefined);
    if (refusal) return refusal;
    if (gate.failure) return gate.failure;
    if (gate.isWaiting) return new RedisUnavailableError(address, WAITING_FOR_REWRITE);
    return refusalOf(address, lastError) ?? new RedisUnavailableError(address, lastError ?? error);
  };
  forgetEnded(redis);
  answerInTime(redis, told);
  defineScripts(redis);
  try {
    await waitUntilOpen(redis, gate);
    if (selectError) throw noDatabase(address, selectError);
  } catch (error) {
    redis.disconnect();
    if (await isSentinel(options, error, lastError)) throw sentinelRefused(address);
    throw told(error);
  }
  let closing: Promise<void> | undefined;
  const cut = (): void => {
    redis.disconnect();
    gate.close();
  };
  const fingerprinter = await makingFingerprinter;
  return {
    redis,
    keys,
    fingerprinter,
    dedupIndex: new DedupIndex(redis, keys),
    ledgers: options.kafka && { kafka: options.kafka, prefix: options.prefix },
    send: async (commands) => {
      if (redis instanceof Cluster) {
        return Promise.all(commands.map(([name, ...args]) => redis.call(name, ...args)));
      }
      const answers = (await redis.pipeline(commands.map((command) => [...command])).exec()) ?? [];
      const failure = answers.find(([error]) => error !== null)?.[0];
      if (failure) throw told(failure);
      return answers.map(([, answer]) => answer);
    },
    // Without a connection for QUIT, the attempts to connect must be ended.
    close: () => (closing ??= redis.quit().then(() => gate.close(), cut)),
    cut,
  };
}

/**
 * Waits with a command that passes the gate, unlike those that Redis takes while it loads. It is
 * not PING, because a Redis that cannot write to its disk answers PING with an error, and `doctor`
 * must get in.
 */
async function waitUntilOpen(redis: Redis | Cluster, gate: RewriteGate): Promise<void> {
  for (;;) {
    try {
      await redis.dbsize();
      if (redis instanceof Cluster) await Promise.all(redis.nodes('master').map((node) => node.dbsize()));
      return;
    } catch (error) {
      if (!gate.isWaiting) throw error;
    }
  }
}

function noDatabase(address: string, cause: Error): TallymanError {
  return new TallymanError(
    'REDIS_REFUSED',
    `Redis at ${address} does not have this database: ${cause.message}. Correct the number at the end of REDIS_URL.`,
    { address },
    { cause },
  );
}

/** A Sentinel takes neither DBSIZE nor CLUSTER. So may a Redis that does not permit them. */
async function isSentinel({ url, tls }: StoreOptions, ...errors: readonly unknown[]): Promise<boolean> {
  if (!errors.some((error) => /unknown command '?(dbsize|cluster)\b/i.test(String(error)))) return false;
  const [first = ''] = url.replaceAll('+cluster://', '://').split(',');
  const redis = connect({ url: first, ...(tls && { tls }) }, undefined);
  redis.on('error', () => undefined); // INFO rejects on its own.
  try {
    return (await redis.info('server')).includes('redis_mode:sentinel');
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

function connect(
  { url, tls = {} }: Pick<StoreOptions, 'url' | 'tls'>,
  gate: RewriteGate | undefined,
): Redis | Cluster {
  const nodes = url.split(',').map((node) => node.trim());
  const delayBefore = (attempt: number): number => Math.min(attempt * 50, LONGEST_RETRY_MS);
  const options: RedisOptions = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: null, // The command timeout is the only limit, because one is easier to reason about than two.
    ...(gate && { Connector: connectorThrough(gate) }),
    retryStrategy: delayBefore,
    ...(/^rediss/.test(nodes[0]!) && { tls: { ...tls } }),
  };
  if (nodes.length === 1 && !nodes[0]!.includes('+cluster://'))
    return new Redis(withScheme(nodes[0]!), options);

  const urls = nodes.map((node) => new URL(withScheme(node).replace('+cluster://', '://')));
  const first = urls[0]!;
  return new Cluster(
    urls.map((node): ClusterNode => ({ host: node.hostname, port: Number(node.port || 6379) })),
    {
      clusterRetryStrategy: delayBefore,
      redisOptions: {
        ...options,
        commandTimeout: COMMAND_TIMEOUT_MS, // For commands to one node, which bypass answerInTime.
        ...(first.username && { username: decodeURIComponent(first.username) }),
        ...(first.password && { password: decodeURIComponent(first.password) }),
      },
    },
  );
}

/**
 * Keeps a client from sending a command again that has ended. After a reconnection it would send
 * those that timed out, however long ago, and a chunk may be older than a close then.
 */
function forgetEnded(client: Redis | Cluster): void {
  const ended = new WeakSet<object>();
  const guard = (redis: Redis | Cluster): void => {
    const target = redis as Cluster; // Its method takes one parameter more.
    const send = target.sendCommand.bind(target);
    target.sendCommand = (...sent: Parameters<typeof send>): unknown => {
      const [command] = sent;
      if (ended.has(command)) return command.promise;
      const note = (): void => void ended.add(command);
      command.promise.then(note, note);
      return send(...sent);
    };
  };
  guard(client);
  if (client instanceof Cluster) client.on('+node', guard);
}

/**
 * Ends every command after COMMAND_TIMEOUT_MS. A command without an answer rejects with
 * RedisUnavailableError, which `told` makes of the reason. The client's own limit works for a
 * single server, but not for a cluster that cannot be reached, for which it waits forever. Answers
 * of Redis, including errors, pass unchanged.
 */
function answerInTime(redis: Redis | Cluster, told: (error: unknown) => unknown): void {
  const target = redis as Cluster; // Its method takes one parameter more.
  const send = target.sendCommand.bind(target);
  target.sendCommand = (...sent: Parameters<typeof send>): unknown => {
    sent[0].setTimeout(COMMAND_TIMEOUT_MS);
    const reply = Promise.resolve(send(...sent)).catch((error: unknown) => {
      throw told(error);
    });
    // The client repeats waiting commands on its own, and handles only the first promise.
    reply.catch(() => undefined);
    return reply;
  };
}

function withScheme(node: string): string {
  return node.includes('://') ? node : `redis://${node}`;
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@,/]*@/g, '//');
}
