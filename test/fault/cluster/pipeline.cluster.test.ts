import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { NativeService } from '../../../src/dev/services/service';
import type { KafkaClient } from '../../../src/kafka/client';
import { logRanges, topicName } from '../../../src/kafka/topics/topics';
import { freePort } from '../../../src/dev/services/free-port';
import { closeWords } from '../support/close-steps';
import type { FaultInstallation } from '../support/fault-suite';
import { judgeInvoices, setPlans } from '../support/invoices';
import { MONTH, MONTH_BEFORE, PROJECTS } from '../support/load';
import { withKafka } from '../support/kafka-client';
import { onRedis } from '../support/proxy/redis-faults';
import { eventually } from '../../kit/eventually';
import { readTopic } from '../../kit/kafka/read-topic';
import { CLI, installation } from '../../kit/tallyman';
import { clusterSuite, install, PARTITIONS, untilReplicated, type ClusterRun } from './cluster-world';
import { untilLed } from './kafka-operations';
import { cutOff, pairs, untilMaster, type Pair } from './redis-operations';

const ROOT = join(__dirname, '../../..');
const onCluster = clusterSuite('cluster: pipeline');

/** Every project's totals and invoices, as an operator compares them. */
function snapshot({ env }: FaultInstallation): string {
  return execFileSync(join(ROOT, 'deploy/snapshot.sh'), [MONTH_BEFORE, MONTH], {
    encoding: 'utf8',
    env: { ...env, TALLYMAN: `${process.execPath} ${CLI}` },
  });
}

/** Whether the gateway accepts an event. */
async function sendEvent(tallyman: FaultInstallation, port: string): Promise<boolean> {
  const token = (await tallyman.ok('token', '--role', 'producer')).trim();
  const event = {
    ...{ specversion: '1.0', id: 'gateway-1', source: '/gateway', type: 'usage.session.v1' },
    ...{ subject: project, time: `${MONTH}-15T12:00:00Z` },
    data: { service: 'webrtc', durationMs: 60_000 },
  };
  const answer = await fetch(`http://127.0.0.1:${port}/v1/events`, {
    ...{ method: 'POST', body: JSON.stringify([event]) },
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/cloudevents-batch+json',
      prefer: 'handling=strict',
    },
  });
  return answer.status === 202;
}

const LONG = 900_000;
const [project] = PROJECTS as [string];
const invoice = `${project}-${MONTH}`;
/** Each verb that ends by itself, once. The others run in the case. */
const VERBS = [
  `totals ${project} --month ${MONTH}`,
  `totals --all --month ${MONTH} --json`,
  'catalog show',
  'projects list',
  `projects show ${project}`,
  `projects set ${project} --name Acme`,
  `projects compare ${project} --month ${MONTH}`,
  'invoices list',
  `invoices show ${invoice}`,
  `invoices csv --month ${MONTH}`,
  `invoices pdf ${invoice} --out -`,
  `invoices preview ${project}`,
  `explain ${invoice}`,
  'dead-letters list',
  'dead-letters replay --dry-run',
  'alerts list',
  `keys ${project} --month ${MONTH}`,
  'top --once',
  'doctor',
  'verify',
];

/** Enough for a close of several pages. */
const MANY = Array.from({ length: 2_000 }, (_, i) => `customer-${i}`);

/** id -> what is due for it, as each record of the ledger says. */
async function issued(run: ClusterRun, { prefix }: FaultInstallation): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  await withKafka(run.world, (client) =>
    readTopic(client, topicName(prefix, 'billing.invoices'), (id, json) => {
      if (json === null) return;
      const { number, lines, total } = JSON.parse(json) as Record<string, unknown>;
      found.set(id, (found.get(id) ?? new Set()).add(JSON.stringify({ number, lines, total })));
    }),
  );
  return found;
}

// First, because it needs every replica.
onCluster(
  'a master dies in the middle of a close, and its replica lacks invoices and their index: the next close goes on',
  async (run) => {
    const [harmed, unharmed] = [await install(run), await install(run)];
    for (const one of [harmed, unharmed]) {
      await setPlans(one, MANY);
      await one.ok(...closeWords(MONTH_BEFORE));
    }
    const ledgerEnd = (client: KafkaClient): Promise<number> => {
      const topic = topicName(harmed.prefix, 'billing.invoices');
      return logRanges(client, [topic]).then((ranges) => ranges.get(topic)![0]!.end);
    };
    const [{ master, replica }] = (await pairs(run.world)) as [Pair];
    /** The positions in the ledger that the indexes of this node have. */
    const indexed = (node: NativeService): Promise<string> =>
      onRedis(node, async (client) => {
        await client.readonly();
        const keys = (
          await client.keys(`${harmed.prefix}:billing:shown:{${harmed.prefix}:invoices-*`)
        ).sort();
        return (await Promise.all(keys.map((key) => client.hget(key, '')))).join('\n');
      });

    await untilReplicated(run.world.redisNodes);
    await eventually(async () => (await indexed(replica)) === (await indexed(master)), { timeoutMs: 60_000 });
    const reconnect = await cutOff(replica);
    const closing = await withKafka(run.world, async (client) => {
      const before = await ledgerEnd(client);
      const started = run.start(harmed, ...closeWords(MONTH));
      await eventually(async () => (await ledgerEnd(client)) > before, {
        timeoutMs: 60_000,
        what: 'it issues',
      });
      started.pause();
      return started;
    });
    // Shows what was issued so far: documents and index, of which the replica learns nothing.
    await harmed.ok('invoices', 'list');
    expect(await indexed(master)).not.toBe(await indexed(replica));
    await master.kill('SIGKILL');
    run.kills += 1;
    await onRedis(replica, (client) =>
      eventually(
        async () => {
          if ((await client.role())[0] === 'master') return true;
          await client.cluster('FAILOVER', 'TAKEOVER');
          return false;
        },
        { timeoutMs: 60_000, what: 'the replica takes over' },
      ),
    );
    closing.resume();
    await closing.ended(); // Whether it noticed depends on how far it was.
    await eventually(async () => (await harmed.run(closeWords(MONTH))).code === 0, {
      timeoutMs: 180_000,
      what: 'a close comes to its end',
    });
    await unharmed.ok(...closeWords(MONTH));

    const [found, expected] = [await issued(run, harmed), await issued(run, unharmed)];
    expect(expected.size).toBe(2 * MANY.length);
    run.note(
      [...new Set([...found.keys(), ...expected.keys()])].flatMap((id) => {
        const [ours, theirs] = [found, expected].map((all) => [...(all.get(id) ?? [])].sort().join(' and '));
        return ours === theirs ? [] : [`${id}: ${ours} instead of ${theirs}`];
      }),
    );
    await harmed.ok('verify');
    await master.restart();
    await reconnect();
  },
  LONG,
);

onCluster(
  'every verb, the servers, closes, a growth and a rebuild, without a broker and a Redis master',
  async (run) => {
    const [port, gatewayPort, healthPort] = [await freePort(), await freePort(), await freePort()].map(
      String,
    ) as [string, string, string];
    const tallyman = await install(run, {
      TALLYMAN_PORT: port,
      TALLYMAN_AUTH_SECRET: 'a secret of this test, longer than 32 bytes',
    });
    await setPlans(tallyman);
    const load = run.load(tallyman, { events: 12_000, perSecond: 3_000, monthBefore: 0.2 });
    const running = [['consume'], ['consume'], ['serve'], ['alerts', 'watch']].map((words) =>
      run.keep(tallyman, ...words),
    );
    const gateway = installation({
      ...{ ...tallyman.env, TALLYMAN_PORT: gatewayPort, TALLYMAN_HEALTH_PORT: healthPort },
    });
    running.push(run.keep(gateway, 'gateway'));
    await load.done;
    await run.settle(tallyman, load.published);

    const [broker] = run.world.brokers;
    const [pair] = await pairs(run.world);
    await Promise.all([broker!.kill('SIGKILL'), pair!.master.kill('SIGKILL')]);
    run.kills += 2;
    await untilMaster(pair!.replica);
    await untilLed(run.world, tallyman.prefix);
    // The gateway held connections to both.
    await eventually(() => sendEvent(tallyman, gatewayPort), {
      timeoutMs: 60_000,
      what: 'the gateway takes an event',
    });
    const published = load.published + 1;
    await run.settle(tallyman, published);
    await tallyman.ok('close', MONTH_BEFORE, '--grace', '0s', '--verify');
    await tallyman.ok('close', MONTH, '--grace', '0s');

    for (const verb of VERBS) await tallyman.ok(...verb.split(' '));
    await gateway.ok('healthcheck', '--ready');
    const token = (await tallyman.ok('token', project, '--role', 'admin')).trim();
    const headers = { authorization: `Bearer ${token}` };
    for (const path of [`usage?month=${MONTH}`, 'invoices', `invoices/${invoice}.pdf`]) {
      const { status } = await fetch(`http://127.0.0.1:${port}/v1/projects/${project}/${path}`, { headers });
      expect({ path, status }).toEqual({ path, status: 200 });
    }
    await tallyman.ok('grow', '--partitions', String(2 * PARTITIONS));
    await run.judge(tallyman);
    run.note(await judgeInvoices(run.world, tallyman, [MONTH_BEFORE, MONTH]));
    await Promise.all(running.map((one) => one.stop()));
    expect(running.flatMap(({ ends }) => ends)).toEqual([]);

    const before = snapshot(tallyman);
    await tallyman.ok('rebuild', '--empty');
    expect(snapshot(tallyman)).toBe(before);
    await tallyman.ok('verify');
    await run.judge(tallyman);
    await Promise.all([broker!.restart(), pair!.master.restart()]);
    await tallyman.ok('consume', '--until-caught-up');
    await tallyman.ok('verify');
    await run.judge(tallyman);
  },
  LONG,
);
