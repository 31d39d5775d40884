import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '../../../src/dev/services/free-port';
import type { FaultInstallation } from '../support/fault-suite';
import { judgeInvoices, setPlans } from '../support/invoices';
import { MONTH, MONTH_BEFORE, PROJECTS } from '../support/load';
import { eventually } from '../../kit/eventually';
import { CLI, installation } from '../../kit/tallyman';
import { clusterSuite, install, PARTITIONS } from './cluster-world';
import { untilLed } from './kafka-operations';
import { pairs, untilMaster } from './redis-operations';

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
