import { connect as connectSocket, isIP, Socket, type NetConnectOpts } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { AbstractConnector, Redis, ReplyError, type RedisOptions } from 'ioredis';
import { TallymanError } from '../../lib/errors';
import { pause } from '../../lib/process/poller';

/**
 * Makes a Redis that was restarted rewrite its append-only file before anything is written to it.
 *
 * A crash may cut the file inside the writes of a script. Redis then keeps the first half of them
 * without their end. This half has no effect in memory, but every later restart, even a clean one,
 * executes it together with what was written after it. Usage is then counted twice. A rewritten
 * file holds what is in memory, and no such half.
 *
 * A connection belongs to one run of one server, so this is checked per connection: none is used
 * before the server reports that its file was rewritten since it started. Commands wait meanwhile,
 * including those that were under way when the server died. This costs nothing per event.
 */
export class RewriteGate {
  /**
   * Servers that were restarted and have not rewritten their file yet: address -> the rewrite, once
   * it was requested.
   */
  private readonly pending = new Map<string, Promise<void> | undefined>();
  /** Runs of servers that do not permit the rewrite, such as hosted ones. */
  private readonly refusing = new Set<string>();
  /** Why the last rewrite failed. */
  failure: TallymanError | undefined;
  private readonly rewriting = new Set<Redis>();

  constructor(private readonly onRewrite: (address: string) => void) {}

  /** Whether connections wait for a rewrite that has not failed. */
  get isWaiting(): boolean {
    return this.pending.size > 0 && this.failure === undefined;
  }

  /** Whether a server with this INFO may be written to. */
  mayWrite(address: string, info: ServerInfo): boolean {
    if (isRewritten(info) || this.refusing.has(info['run_id'] ?? '')) {
      this.pending.delete(address);
      if (this.pending.size === 0) this.failure = undefined;
      return true;
    }
    if (!this.pending.has(address)) this.pending.set(address, undefined);
    return false;
  }

  /**
   * Waits until a server that `mayWrite` has refused has rewritten its file.
   *
   * @throws TallymanError `REDIS_FILE_NOT_REWRITTEN`
   */
  async pass(address: string, options: RedisOptions): Promise<void> {
    if (!this.pending.has(address)) return;
    let rewrite = this.pending.get(address);
    if (rewrite === undefined) {
      this.onRewrite(address);
      rewrite = this.rewrite(address, options);
      this.pending.set(address, rewrite);
    }
    await rewrite;
  }

  /** Stops waiting for rewrites. The server continues its own. */
  close(): void {
    for (const redis of this.rewriting) redis.disconnect();
  }

  private async rewrite(address: string, options: RedisOptions): Promise<void> {
    const { Connector: _, ...plain } = options;
    const redis = new Redis({
      ...plain,
      commandTimeout: ANSWER_TIMEOUT_MS,
      lazyConnect: true,
      retryStrategy: () => null,
      readOnly: false,
    });
    redis.on('error', () => undefined); // A command that fails rejects on its own.
    this.rewriting.add(redis);
    try {
      await redis.connect();
      const refusingRun = await rewriteFile(redis, address);
      if (refusingRun !== undefined) this.refusing.add(refusingRun);
      this.failure = undefined;
    } catch (error) {
      if (error instanceof TallymanError) {
        this.failure = error;
        throw error;
      }
      // The server went away again, or does not answer. The next connection finds out its state.
      this.pending.delete(address);
    } finally {
      redis.disconnect();
      this.rewriting.delete(redis);
      if (this.pending.has(address)) this.pending.set(address, undefined);
    }
  }
}

/** The answer to INFO, by field. */
type ServerInfo = Readonly<Record<string, string | undefined>>;

/** A server that accepts connections and answers nothing is not waited for. */
const ANSWER_TIMEOUT_MS = 6_000;
/** How often a rewrite is checked. */
const LOOK_MS = 100;
/** The pause after a rewrite that failed. Each attempt may copy all of Redis's memory. */
const PAUSE_AFTER_FAILURE_MS = 2_000;

/**
 * Whether the file was rewritten since the server started, and the last rewrite succeeded. True
 * without a file.
 */
export function isRewritten(info: ServerInfo): boolean {
  if (info['aof_enabled'] !== '1') return true;
  return info['aof_last_rewrite_time_sec'] !== '-1' && info['aof_last_bgrewrite_status'] === 'ok';
}

/**
 * @returns the run of a server that does not permit the rewrite; undefined once the file is
 *   rewritten
 */
async function rewriteFile(redis: Redis, address: string): Promise<string | undefined> {
  let hasAsked = false;
  for (;;) {
    const info = infoOf(await redis.info());
    if (isRewritten(info)) return undefined;
    if (info['aof_rewrite_in_progress'] === '0' && info['aof_rewrite_scheduled'] === '0') {
      if (hasAsked) {
        await pause(PAUSE_AFTER_FAILURE_MS);
        throw notRewritten(address, 'the rewrite failed');
      }
      hasAsked = true;
      try {
        await redis.bgrewriteaof();
      } catch (error) {
        if (!(error instanceof ReplyError)) throw error;
        const { message } = error as Error;
        if (/^NOPERM|unknown command/i.test(message)) return info['run_id'];
        // Another process may have been faster.
        if (!/in progress|scheduled/i.test(message)) {
          await pause(PAUSE_AFTER_FAILURE_MS);
          throw notRewritten(address, message);
        }
      }
    }
    await pause(LOOK_MS);
  }
}

function notRewritten(address: string, reason: string): TallymanError {
  return new TallymanError(
    'REDIS_FILE_NOT_REWRITTEN',
    `Redis at ${address} was restarted and cannot rewrite its append-only file: ${reason}. A file torn by a crash would ` +
      "count usage twice at a later restart, so nothing is written to it. Check Redis's log, the free space of its disk " +
      'and vm.overcommit_memory, then try again.',
    { address, reason },
  );
}

export function infoOf(text: string): Record<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

/** Makes the connections of a client, or of each node of a cluster, pass a gate. */
export function connectorThrough(gate: RewriteGate): NonNullable<RedisOptions['Connector']> {
  return class GatedConnector extends AbstractConnector {
    private readonly address: string;

    private readonly options: RedisOptions;

    constructor(options: unknown) {
      const own = options as RedisOptions & { readonly disconnectTimeout: number };
      super(own.disconnectTimeout);
      this.options = own;
      this.address = `${own.host}:${own.port}`;
    }

    async connect(): Promise<Socket> {
      this.connecting = true;
      // Without a ready check, it is a connection by which the client asks a cluster for its slots.
      if (this.options.enableReadyCheck !== false) {
        try {
          await gate.pass(this.address, this.options);
        } catch (error) {
          // Treated like a lost connection: it is retried until the file can be rewritten.
          this.firstError = error as Error;
          return new Socket().destroy();
        }
      }
      if (!this.connecting) throw new Error('Connection is closed.');
      this.stream = openSocket(this.options);
      this.stream.once('error', (error: Error) => (this.firstError = error));
      return this.stream;
    }

    /**
     * Called with the answer to INFO on this connection, before anything else is sent. If it
     * returns false, the connection is closed and opened again.
     */
    override check(info: ServerInfo): boolean {
      return gate.mayWrite(this.address, info);
    }
  };
}

function openSocket({ host, port, family, path, tls }: RedisOptions): Socket {
  const target = {
    ...(path ? { path } : { host, port }),
    ...(family !== undefined && { family }),
  } as NetConnectOpts;
  if (!tls) return connectSocket(target);
  const name = host !== undefined && isIP(host) === 0 && { servername: host };
  return connectTls({ ...target, ...name, ...tls } as ConnectionOptions);
}
