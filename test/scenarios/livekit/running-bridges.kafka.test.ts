import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../src/dev/services/free-port';
import { eventually } from '../../kit/eventually';
import { installation, type Installation } from '../../kit/tallyman';
import {
  expectedUsages,
  RECORDED_KEYS,
  recordedWebhooks,
  signatureOf,
} from '../../kit/usage/livekit-webhooks';

/**
 * Bridges as they are shipped: two at once, on one spool folder, and every webhook goes to both.
 */

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MINUTE = 60n * NS_PER_SECOND;
/** Processes start, and a group takes its members in. */
const TIMEOUT_MS = 300_000;

let folder: string;
let tallyman: Installation;
let keys: NodeJS.ProcessEnv;
let ports: number[];
let bridges: ChildProcess[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tallyman-bridges-'));
  ports = [await freePort(), await freePort()];
  const [[key, secret]] = [...RECORDED_KEYS] as [[string, string]];
  keys = { LIVEKIT_API_KEY: key, LIVEKIT_API_SECRET: secret };
  const env = { ...keys, TALLYMAN_SPOOL: folder };
  tallyman = installation(env);
  await tallyman.ok('init', '--partitions', '2', '--timestamps', 'create');
  bridges = ports.map((port) => {
    const { prefix } = tallyman;
    return installation({ ...env, TALLYMAN_PREFIX: prefix, TALLYMAN_PORT: String(port) }).start(
      'bridge',
      'livekit',
    );
  });
  for (const port of ports) {
    await eventually(() => fetch(`http://127.0.0.1:${port}`), {
      ...{ timeoutMs: 60_000, what: 'a bridge listens' },
    });
  }
}, TIMEOUT_MS);
afterAll(async () => {
  await Promise.all(bridges.map(stopped));
  rmSync(folder, { recursive: true, force: true });
});

async function stopped(bridge: ChildProcess): Promise<void> {
  if (bridge.exitCode !== null || bridge.signalCode !== null) return;
  const closed = new Promise((resolve) => bridge.once('close', resolve));
  bridge.kill('SIGTERM');
  await closed;
}

async function deliver(port: number, body: string, authorization: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/livekit/webhooks`, {
    ...{ method: 'POST', body },
    headers: { authorization, 'content-type': 'application/webhook+json' },
  });
  return answer.status;
}

interface Usage {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: Readonly<Record<string, string | boolean>>;
}

/** To the nanosecond, which a Date does not have. */
function nanosOf(time: string): bigint {
  const [, seconds, fraction = ''] = /^(.{19})(?:\.(\d+))?Z$/.exec(time)!;
  return BigInt(Date.parse(`${seconds}Z`) / 1000) * NS_PER_SECOND + BigInt(fraction.padEnd(9, '0'));
}

/** `<project> <month>` -> meter -> seconds, by the list of usages and the contract's rounding. */
function expectedTotals(): Map<string, Record<string, string>> {
  const usages = new Map(
    [...expectedUsages().values()].flat().map((usage) => [(usage as Usage).id, usage as Usage]),
  );
  const totals = new Map<string, Record<string, string>>();
  for (const { type, subject, time, data } of usages.values()) {
    const nanos = nanosOf(String(data['endedAt'])) - nanosOf(String(data['startedAt']));
    const seconds = 60n * ((nanos + NS_PER_MINUTE - 1n) / NS_PER_MINUTE);
    const variant = data['variant'] === undefined ? '' : `.${String(data['variant'])}`;
    const meters =
      type === 'usage.agent.v1'
        ? ['agent.session', ...(data['recorded'] === true ? ['agent.recording'] : [])]
        : [`session.${String(data['service'])}${variant}`];
    const key = `${subject} ${time.slice(0, 7)}`;
    const counted = totals.get(key) ?? {};
    for (const meter of meters) counted[meter] = String(BigInt(counted[meter] ?? 0) + seconds);
    totals.set(key, counted);
  }
  return totals;
}

test('what is not signed by LiveKit now is refused: another key, another body, an old token', async () => {
  const { body } = [...recordedWebhooks().values()][0]![0]!;
  const minutesAgo = Math.floor(Date.now() / 1000) - 600;
  for (const authorization of [
    signatureOf(body, { secret: 'guessed' }),
    signatureOf(body, { key: 'unknown' }),
    signatureOf(`${body} `),
    signatureOf(body, { nowSeconds: minutesAgo }),
    '',
  ]) {
    expect(await deliver(ports[0]!, body, authorization)).toBe(401);
  }
});

test(
  'every recorded story, delivered to both of two bridges, counts once',
  async () => {
    for (const { body } of [...recordedWebhooks().values()].flat()) {
      const authorization = signatureOf(body);
      const statuses = await Promise.all(ports.map((port) => deliver(port, body, authorization)));
      expect(statuses).toEqual([200, 200]);
    }
    const expected = expectedTotals();
    expect(expected.size).toBeGreaterThan(1);
    await eventually(
      async () => {
        await tallyman.ok('consume', 'session', 'agent', '--until-caught-up');
        for (const [key, totals] of expected) {
          const [project, month] = key.split(' ') as [string, string];
          const found = await tallyman.json<{ totals: object }>('totals', project, '--month', month);
          expect([key, found.totals]).toEqual([key, totals]);
        }
        return true;
      },
      { timeoutMs: 240_000, what: 'the totals are those of the list' },
    );
  },
  TIMEOUT_MS,
);

test(
  'a bridge that is started while Kafka is away keeps webhooks, and does not end',
  async () => {
    const spool = mkdtempSync(join(tmpdir(), 'tallyman-bridges-'));
    const port = await freePort();
    const bridge = installation({
      ...{ ...keys, TALLYMAN_SPOOL: spool, TALLYMAN_PORT: String(port), KAFKA_BROKERS: '127.0.0.1:1' },
    }).start('bridge', 'livekit');
    let log = '';
    bridge.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    try {
      await eventually(() => /Kafka is away: .*Kafka is away: /s.test(log), {
        ...{ timeoutMs: 90_000, what: 'it has asked for Kafka twice' },
      });
      const { body } = [...recordedWebhooks().values()][0]![0]!;
      expect(await deliver(port, body, signatureOf(body))).toBe(200);
      expect(bridge.exitCode).toBeNull();
    } finally {
      await stopped(bridge);
      rmSync(spool, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS,
);
