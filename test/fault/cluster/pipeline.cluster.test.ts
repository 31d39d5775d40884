import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '../../../src/dev/services/free-port';
import type { FaultInstallation } from '../support/fault-suite';
import { judgeInvoices, setPlans } from '../support/invoices';
import { MONTH, MONTH_BEFORE, PROJECTS } from '../support/load';
import { CLI } from '../../kit/tallyman';
import { clusterSuite, install } from './cluster-world';

const ROOT = join(__dirname, '../../..');
const onCluster = clusterSuite('cluster: pipeline');

/** Every project's totals and invoices, as an operator compares them. */
function snapshot({ env }: FaultInstallation): string {
  return execFileSync(join(ROOT, 'deploy/snapshot.sh'), [MONTH_BEFORE, MONTH], {
    encoding: 'utf8',
    env: { ...env, TALLYMAN: `${process.execPath} ${CLI}` },
  });
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
  'healthcheck --ready',
  'verify',
];

onCluster(
  'every verb, the server, a close and a rebuild, without a fault',
  async (run) => {
    const port = String(await freePort());
    const tallyman = await install(run, {
      TALLYMAN_PORT: port,
      TALLYMAN_AUTH_SECRET: 'a secret of this test, longer than 32 bytes',
    });
    await setPlans(tallyman);
    const load = run.load(tallyman, { events: 12_000, perSecond: 3_000, monthBefore: 0.2 });
    const running = [['consume'], ['consume'], ['serve'], ['alerts', 'watch']].map((words) =>
      run.keep(tallyman, ...words),
    );
    await load.done;
    await run.settle(tallyman, load.published);
    await tallyman.ok('close', MONTH_BEFORE, '--grace', '0s', '--verify');
    await tallyman.ok('close', MONTH, '--grace', '0s');

    for (const verb of VERBS) await tallyman.ok(...verb.split(' '));
    const token = (await tallyman.ok('token', project, '--role', 'admin')).trim();
    const headers = { authorization: `Bearer ${token}` };
    for (const path of [`usage?month=${MONTH}`, 'invoices', `invoices/${invoice}.pdf`]) {
      const { status } = await fetch(`http://127.0.0.1:${port}/v1/projects/${project}/${path}`, { headers });
      expect({ path, status }).toEqual({ path, status: 200 });
    }
    await run.judge(tallyman, load.published);
    run.note(await judgeInvoices(run.world, tallyman, [MONTH_BEFORE, MONTH]));
    await Promise.all(running.map((one) => one.stop()));
    expect(running.flatMap(({ ends }) => ends)).toEqual([]);

    const before = snapshot(tallyman);
    await tallyman.ok('rebuild', '--empty');
    expect(snapshot(tallyman)).toBe(before);
    await tallyman.ok('verify');
    await run.judge(tallyman, load.published);
  },
  LONG,
);
