import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../src/dev/services/free-port';
import { readRange } from '../../../src/kafka/read-range';
import { logEnds } from '../../../src/kafka/topics/topics';
import { eventually } from '../../kit/eventually';
import { installation } from '../../kit/tallyman';
import { RECORDED_KEYS } from '../../kit/usage/livekit-webhooks';
import { faultSuite, type FaultInstallation, type FaultRun } from '../support/fault-suite';
import { withKafka } from '../support/kafka-client';
import { MONTH } from '../support/load';
import { createNotifier, type Notifier } from './notifier';

/** LiveKit sends webhooks while Kafka is away, and the bridge is killed in between. */
const fault = faultSuite('http: bridge');
/**
 * `--outage-seconds 300` lets Kafka stay away for five minutes. Longer than LiveKit keeps a webhook
 * in any case.
 */
const OUTAGE_SECONDS = Number(process.env['FAULT_OUTAGE_SECONDS'] ?? 40);
const TIMEOUT_MS = (OUTAGE_SECONDS + 400) * 1_000;
const ROOMS = 20;
const WEBHOOK_EVERY_MS = 50;
const METER = 'session.webrtc';

interface RunningBridge {
  readonly tallyman: FaultInstallation;
  readonly notifier: Notifier;
  readonly bridge: ReturnType<FaultRun['keep']>;
  metric(name: string): Promise<number>;
  /** Ends the stream of webhooks, and waits for what LiveKit does with the last of them. */
  end(): Promise<void>;
}

/** A bridge, and a LiveKit whose sessions of one to nine minutes end one after the other. */
async function startBridge(run: FaultRun, more: NodeJS.ProcessEnv): Promise<RunningBridge> {
  const [port, healthPort] = [await freePort(), await freePort()];
  const [[key, secret]] = [...RECORDED_KEYS] as [[string, string]];
  const tallyman = await run.install(2, {
    ...{ LIVEKIT_API_KEY: key, LIVEKIT_API_SECRET: secret, TALLYMAN_PORT: String(port), ...more },
  });
  // Its own alone: the other verbs of a case must not serve on the same port.
  const withHealth = installation({ ...tallyman.env, TALLYMAN_HEALTH_PORT: String(healthPort) });
  const bridge = run.keep(withHealth, 'bridge', 'livekit');
  const url = `http://127.0.0.1:${port}`;
  await eventually(() => fetch(url), { timeoutMs: 60_000, what: 'the bridge listens' });
  const notifier = createNotifier(url);
  const startMs = Date.parse(`${MONTH}-15T12:00:00Z`);
  let sent = 0;
  const timer = setInterval(() => {
    const room = `acme.${sent % ROOMS}`;
    const sid = `PA_${(sent += 1)}`;
    notifier.queue(
      room,
      sid,
      JSON.stringify({
        event: 'participant_left',
        id: `EV_${sid}`,
        createdAt: String(startMs / 1_000 + minutesOf(sid) * 60),
        room: { sid: `RM_${room}`, name: room },
        participant: { sid, joinedAtMs: String(startMs) },
      }),
    );
  }, WEBHOOK_EVERY_MS);
  return {
    ...{ tallyman, notifier, bridge },
    async metric(name) {
      const page = await (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();
      const line = page.split('\n').find((each) => each.startsWith(`${name} `));
      return Number(line?.slice(name.length));
    },
    async end() {
      clearInterval(timer);
      await notifier.drained();
    },
  };
}

const minutesOf = (sid: string): number => 1 + (Number(sid.slice('PA_'.length)) % 9);

/** Every usage in the log counts once; all that LiveKit was told is kept are among them. */
async function judge(run: FaultRun, { tallyman, notifier, bridge }: RunningBridge): Promise<void> {
  const answered = [...notifier.fates].filter(([, fate]) => fate === 'answered').map(([sid]) => sid);
  let published = new Set<string>();
  await eventually(
    async () => {
      published = await publishedIds(run, tallyman);
      return answered.every((sid) => published.has(sid));
    },
    { timeoutMs: 120_000, what: 'all that was answered with 200 is published' },
  );
  await bridge.stop();
  published = await publishedIds(run, tallyman);
  await run.finish(tallyman);
  const seconds = [...published].reduce((sum, sid) => sum + minutesOf(sid) * 60, 0);
  const { totals } = await tallyman.json<{ totals: Record<string, string> }>(
    ...['totals', 'acme', '--month', MONTH],
  );
  expect(totals).toEqual({ [METER]: String(seconds) });
  await run.judge(tallyman);
}

/** Read from the log, with the ids of the first of each. */
async function publishedIds(run: FaultRun, { prefix }: FaultInstallation): Promise<Set<string>> {
  const topic = `${prefix}.usage.session`;
  const ids = new Set<string>();
  await withKafka(run.world, async (client) => {
    for (const [partition, to] of ((await logEnds(client, [topic])).get(topic) ?? []).entries()) {
      for await (const page of readRange(client, { topic, partition, from: 0, to })) {
        for (const { value } of page) ids.add((JSON.parse(String(value)) as { id: string }).id);
      }
    }
  });
  return ids;
}

fault(
  'Kafka is away and the bridge is killed: what was answered with 200 counts once',
  async (run) => {
    const folder = mkdtempSync(join(tmpdir(), 'tallyman-spool-'));
    try {
      const running = await startBridge(run, { TALLYMAN_SPOOL: folder });
      const { notifier, bridge } = running;
      await eventually(() => notifier.fates.size > 40, { timeoutMs: 60_000 });
      await run.world.kafka.kill('SIGKILL');
      run.kills += 1;
      const KILLS = 3;
      for (let kill = 0; kill < KILLS; kill += 1) {
        await delay((OUTAGE_SECONDS * 1_000 * run.random.between(60, 100)) / 100 / (KILLS + 1));
        const before = notifier.fates.size;
        await eventually(() => notifier.fates.size > before, { timeoutMs: 60_000 });
        await bridge.kill();
      }
      await delay((OUTAGE_SECONDS * 1_000) / (KILLS + 1));
      await run.world.kafka.restart();
      await running.end();
      await judge(run, running);
      expect([...notifier.fates.values()].filter((fate) => fate === 'answered').length).toBeGreaterThan(100);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS,
);

fault(
  'Kafka is away and there is no spool: what LiveKit gives up is in the metrics',
  async (run) => {
    const running = await startBridge(run, {});
    const { notifier } = running;
    await eventually(() => notifier.fates.size > 40, { timeoutMs: 60_000 });
    await run.world.kafka.kill('SIGKILL');
    run.kills += 1;
    await eventually(() => [...notifier.fates.values()].some((fate) => fate !== 'answered'), {
      timeoutMs: 120_000,
    });
    await run.world.kafka.restart();
    await running.end();
    expect(notifier.refusals).toBeGreaterThan(0);
    expect(await running.metric('tallyman_livekit_deliveries_total{fate="kept_nowhere"}')).toBe(
      notifier.refusals,
    );
    await judge(run, running);
  },
  TIMEOUT_MS,
);
