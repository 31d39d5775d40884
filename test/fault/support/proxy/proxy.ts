import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exchange, Protocol } from './protocol';

/** Where a message can be caught: on its way to the server, or its answer on the way back. */
export type Step = 'request' | 'reply';

/**
 * A message that was caught. It, and what comes behind it on its connection in that direction,
 * waits for a verdict.
 */
export interface Caught {
  readonly exchange: Exchange;
  /** What the server said, of a reply. */
  readonly answer: Buffer | undefined;
  /** Lets it go on. Its sender may be dead by then: bytes that were sent arrive all the same. */
  readonly pass: () => void;
  /**
   * Takes it away, and leaves the connection. For Kafka, whose answers name their request; Redis's
   * would be mistaken for each other's.
   */
  readonly drop: () => void;
  /** Breaks the connection: the message never arrives. */
  readonly cut: () => void;
  /** Breaks the connection in the middle of the message. */
  readonly cutMidway: () => void;
}

export interface ProxyOptions {
  /** Where clients come in. */
  readonly port: number;
  readonly targetPort: number;
  readonly protocol: Protocol;
}

type Verdict = 'pass' | 'drop' | 'cut' | 'cutMidway';

/** Whether a message is the one to catch; `answer` is what the server said, of a reply. */
export type Matches = (exchange: Exchange, answer?: Buffer) => boolean;

interface Trap {
  readonly step: Step;
  readonly matches: Matches;
  readonly spring: (exchange: Exchange, answer: Buffer | undefined) => Promise<Verdict>;
  readonly timer: NodeJS.Timeout;
}

/** The two ends of one client's connection. */
interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Asked and not answered yet: both Kafka and Redis answer a connection in order. */
  readonly open: Exchange[];
}

/** How long a trap waits for its message. */
const TRAP_TIMEOUT_MS = 120_000;

/**
 * A TCP proxy that knows where messages begin and end: a server as its clients see it when the
 * network, and not the server, is at fault. Of one client, or of many: give each its own where one
 * alone is to suffer.
 */
export class Proxy {
  private readonly links = new Set<Link>();
  private readonly traps = new Set<Trap>();
  private readonly counts = new Map<string, number>();
  private listening: Server | undefined;
  private latencyMs = 0;
  private gate: Promise<void> | undefined;
  private openGate: (() => void) | undefined;

  private constructor(private readonly options: ProxyOptions) {}

  static async open(options: ProxyOptions): Promise<Proxy> {
    const proxy = new Proxy(options);
    await proxy.comeBack();
    return proxy;
  }

  get port(): number {
    return this.options.port;
  }

  /** How many requests of a name (`EVALSHA`, `Produce`) came by. */
  seen(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /**
   * Catches the next message that matches, once.
   *
   * @throws Error when none came in time
   */
  catch(step: Step, matches: Matches, timeoutMs = TRAP_TIMEOUT_MS): Promise<Caught> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.traps.delete(trap);
        reject(new Error(`no ${step} came by in ${timeoutMs} ms that matches ${matches.toString()}`));
      }, timeoutMs);
      const trap: Trap = {
        ...{ step, matches, timer },
        spring: (exchange, answer) =>
          new Promise<Verdict>((judge) => {
            clearTimeout(timer);
            const verdict = (of: Verdict) => (): void => judge(of);
            resolve({
              exchange,
              answer,
              pass: verdict('pass'),
              drop: verdict('drop'),
              cut: verdict('cut'),
              cutMidway: verdict('cutMidway'),
            });
          }),
      };
      this.traps.add(trap);
    });
  }

  /** Breaks every connection, in mid-stream; new ones are taken. Returns how many there were. */
  cut(): number {
    const broken = this.links.size;
    for (const link of [...this.links]) this.breakLink(link);
    return broken;
  }

  /** Each message arrives this much later, in both directions. */
  delay(latencyMs: number): void {
    this.latencyMs = latencyMs;
  }

  /** Nothing arrives any more, and no connection breaks: a network that swallows. */
  pause(): void {
    this.gate ??= new Promise((open) => (this.openGate = open));
  }

  resume(): void {
    this.openGate?.();
    this.gate = undefined;
    this.openGate = undefined;
  }

  /** Breaks every connection and refuses new ones. */
  async goAway(): Promise<void> {
    const server = this.listening;
    this.listening = undefined;
    const closed = server && once(server, 'close');
    server?.close();
    this.cut();
    await closed;
  }

  async comeBack(): Promise<void> {
    if (this.listening) return;
    const server = createServer({ noDelay: true }, (client) => this.accept(client));
    this.listening = server;
    server.listen(this.options.port, '127.0.0.1');
    await once(server, 'listening');
  }

  /** As if nothing had ever been wrong. What nobody has caught yet, nobody will. */
  async restore(): Promise<void> {
    this.clearTraps();
    this.latencyMs = 0;
    this.resume();
    await this.comeBack();
  }

  async close(): Promise<void> {
    this.clearTraps();
    await this.goAway();
    this.resume();
  }

  private clearTraps(): void {
    for (const { timer } of this.traps) clearTimeout(timer);
    this.traps.clear();
  }

  private accept(client: Socket): void {
    const server = connect({ port: this.options.targetPort, host: '127.0.0.1', noDelay: true });
    const link: Link = { client, server, open: [] };
    this.links.add(link);
    const { protocol } = this.options;
    this.forward(link, 'request', client, server, protocol.splitter());
    this.forward(link, 'reply', server, client, protocol.splitter());
  }

  /** Messages arrive in order, each when it may; the end of a stream comes behind all of it. */
  private forward(
    link: Link,
    step: Step,
    from: Socket,
    to: Socket,
    split: (bytes: Buffer) => Buffer[],
  ): void {
    let line: Promise<void> = Promise.resolve();
    from.on('data', (bytes: Buffer) => {
      for (const message of split(bytes)) {
        const exchange = this.exchangeOf(link, step, message);
        const dueAt = Date.now() + this.latencyMs;
        line = line.then(() => this.deliver(link, step, exchange, message, to, dueAt));
      }
    });
    from.on('error', () => undefined); // Its 'close' follows.
    from.on('close', () => {
      void line.then(() => {
        to.destroySoon();
        if (step === 'reply' || to.destroyed) this.links.delete(link);
      });
    });
  }

  private exchangeOf(link: Link, step: Step, message: Buffer): Exchange {
    if (step === 'reply') return link.open.shift() ?? { name: 'unasked', request: Buffer.alloc(0) };
    const exchange = this.options.protocol.read(message);
    this.counts.set(exchange.name, this.seen(exchange.name) + 1);
    link.open.push(exchange);
    return exchange;
  }

  private async deliver(
    link: Link,
    step: Step,
    exchange: Exchange,
    message: Buffer,
    to: Socket,
    dueAt: number,
  ): Promise<void> {
    const early = dueAt - Date.now();
    if (early > 0) await delay(early);
    while (this.gate) await this.gate;
    const verdict = await this.judge(step, exchange, message);
    if (verdict === 'cut') this.breakLink(link);
    if (verdict === 'cutMidway') {
      to.write(message.subarray(0, message.length >> 1), () => this.breakLink(link));
    }
    if (verdict === 'pass' && !to.destroyed) to.write(message);
  }

  private judge(step: Step, exchange: Exchange, message: Buffer): Verdict | Promise<Verdict> {
    const answer = step === 'reply' ? message : undefined;
    for (const trap of this.traps) {
      if (trap.step !== step || !trap.matches(exchange, answer)) continue;
      this.traps.delete(trap);
      return trap.spring(exchange, answer);
    }
    return 'pass';
  }

  private breakLink(link: Link): void {
    this.links.delete(link);
    link.client.destroy();
    link.server.destroy();
  }
}
