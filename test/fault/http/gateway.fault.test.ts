import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../src/dev/services/free-port';
import { createRandom } from '../../../src/oracle/random';
import { eventually } from '../../kit/eventually';
import { faultSuite, scaled } from '../support/fault-suite';
import { compare } from '../support/judge';
import { MONTH } from '../support/load';
import { readContent } from '../support/redis-content';

/**
 * Clients of `POST /v1/events` that send the same events until they are accepted, while everything
 * behind it dies.
 */
const fault = faultSuite('http: gateway');
const TIMEOUT_MS = 900_000;
const CLIENTS = 6;
const RETRY_MS = 100;
/** A server that was killed may take this long to answer again on a busy machine. */
const PROGRESS_TIMEOUT_MS = 120_000;

interface Client {
  /** Requests that were answered with 202. */
  readonly accepted: number;
  /** Requests that were sent again. */
  readonly repeated: number;
  /** `<project> <month> <meter>` -> what the client has used, counted by itself. */
  readonly used: ReadonlyMap<string, bigint>;
  /** Ends after the request that is on its way is accepted. */
  stop(): Promise<void>;
}

function startClient(url: string, token: string, number: number, seed: number): Client {
  const random = createRandom(seed + number);
  const project = `client-${number}`;
  const used = new Map<string, bigint>();
  let [accepted, repeated, ids, isStopped] = [0, 0, 0, false];

  const event = (): Record<string, unknown> => {
    const isSession = random.chance(0.7);
    const [kind, meter, size, step] = isSession
      ? (['session', 'session.webrtc', random.between(0, 600_000), 60_000] as const)
      : (['transfer', 'transfer.upstream', random.between(0, 90_000_000), 10_000_000] as const);
    const name = `${project} ${MONTH} ${meter}`;
    const steps = BigInt(Math.ceil(size / step));
    used.set(name, (used.get(name) ?? 0n) + steps * (isSession ? 60n : 10_000_000n));
    return {
      ...{ specversion: '1.0', id: `${(ids += 1)}`, source: '/soak', subject: project },
      ...{ type: `usage.${kind}.v1`, time: `${MONTH}-15T12:00:00Z` },
      data: isSession
        ? { service: 'webrtc', durationMs: size }
        : { service: 'webrtc', direction: 'upstream', bytes: size },
    };
  };
  const isAccepted = async (body: string): Promise<boolean> => {
    const answer = await fetch(`${url}/v1/events`, {
      ...{ method: 'POST', body, signal: AbortSignal.timeout(30_000) },
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/cloudevents-batch+json',
        prefer: 'handling=strict',
      },
    }).catch(() => undefined);
    if (answer === undefined || [429, 500, 502, 503].includes(answer.status)) return false;
    if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.text().then(() => true, () => false); // prettier-ignore
  };
  const done = (async () => {
    while (!isStopped) {
      const body = JSON.stringify(Array.from({ length: random.between(1, 40) }, event));
      while (!(await isAccepted(body))) {
        repeated += 1;
        await delay(RETRY_MS);
      }
      accepted += 1;
    }
  })();
  done.catch(() => undefined); // Seen by whoever stops it.
  return {
    get accepted() {
      return accepted;
    },
    get repeated() {
      return repeated;
    },
    used,
    stop: () => {
      isStopped = true;
      return done;
    },
  };
}

fault(
  'gateway, consumer and broker are killed at random: each event counts once',
  async (run) => {
    const port = await freePort();
    const tallyman = await run.install(4, {
      TALLYMAN_AUTH_SECRET: 'a secret of the fault suite, longer than 32 bytes',
      TALLYMAN_PORT: String(port),
    });
    const token = (await tallyman.ok('token', '--role', 'producer')).trim();
    const gateway = run.keep(tallyman, 'gateway');
    const consumer = run.supervise(tallyman);
    const url = `http://127.0.0.1:${port}`;
    const clients = Array.from({ length: CLIENTS }, (_, i) => startClient(url, token, i, run.seed));
    const accepted = (): number => clients.reduce((sum, client) => sum + client.accepted, 0);
    const goOn = async (requests: number): Promise<void> => {
      const enough = accepted() + requests;
      await eventually(() => accepted() >= enough, {
        ...{ timeoutMs: PROGRESS_TIMEOUT_MS, what: `${requests} requests are accepted: ${gateway.said()}` },
      });
    };
    const kill = {
      gateway: () => gateway.kill(),
      consumer: () => consumer.kill(),
      broker: async () => {
        await run.world.kafka.kill('SIGKILL');
        run.kills += 1;
        await delay(run.random.between(0, 3_000));
        await run.world.kafka.restart();
      },
    };
    const order = (['gateway', 'consumer', 'broker', 'gateway'] as const).flatMap((name) =>
      Array.from({ length: scaled(8) }, () => name),
    );
    while (order.length > 0) {
      const [name] = order.splice(run.random.between(0, order.length - 1), 1);
      await goOn(CLIENTS);
      await delay(run.random.between(0, 1_000));
      await kill[name!]();
    }
    await goOn(CLIENTS);
    await Promise.all(clients.map((client) => client.stop()));
    await Promise.all([gateway.stop(), consumer.stop()]);
    await run.finish(tallyman);

    const { totals } = await readContent(run.world.direct.REDIS_URL, tallyman.prefix);
    const used = new Map(clients.flatMap((client) => [...client.used]));
    run.note(compare('total', totals, new Map([...used].filter(([, quantity]) => quantity > 0n))));
    await run.judge(tallyman);
    // The kills were felt.
    expect(clients.some(({ repeated }) => repeated > 0)).toBe(true);
  },
  TIMEOUT_MS,
);
