import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConsumerMetrics } from '../../../src/ingest/health/consumer-metrics';
import { Registry } from 'prom-client';
import { createLiveKitMetrics } from '../../../src/livekit/livekit-metrics';
import { createTransferProbes } from '../../../src/livekit/transfer/transfer-probes';
import { createFollowerMetrics } from '../../../src/audit/second-count/follower-metrics';
import { checkHealth } from '../../../src/ingest/health/check-health';
import { needTestProgram } from '../../kit/servers/need-program';

const deploy = join(__dirname, '../../../deploy');
const rulesFile = join(deploy, 'prometheus/rules.yml');

beforeAll(async () => {
  await needTestProgram({ command: 'promtool', versionArgument: '--version', debianPackage: 'prometheus' });
});

const statuses = [
  {
    topic: 'usage.session',
    idleMs: 0,
    partitions: [{ partition: 0, cursor: 5 }],
    counted: 4,
    duplicates: 3,
    late: 2,
    voided: 0,
    unknownVoids: 0,
    rejected: 1,
  },
];

const position = {
  ...{ atMs: 0, behind: 4, perSecond: 0, topics: [] },
  partitions: [{ topic: 'usage.session', partition: 0, end: 9, stable: 6, cursor: 5, stillMs: 7_000 }],
};

async function metricsText(): Promise<string> {
  const metrics = createConsumerMetrics(
    () => statuses,
    () =>
      checkHealth({
        loops: [],
        storeProblem: undefined,
        position,
        positionProblem: undefined,
        stuckAfterMs: 1,
      }),
    () => position,
    () => 1_250,
  );
  metrics.observeApply('usage.session', 4);
  metrics.observeDelay('usage.session', 1_000);
  const follower = createFollowerMetrics({
    status: () => ({ left: 3, total: 9, read: 6, roundAt: 1, sweptAt: 1, sweepMs: 250 }),
    countByKind: () => new Map([['daily', 2]]),
  });
  const bridge = new Registry();
  createLiveKitMetrics(bridge, () => 0);
  const transfer = createTransferProbes(['http://10.0.0.4:6789/metrics'], () => 1_000).registry;
  const texts = await Promise.all([metrics.registry, follower, bridge, transfer].map((one) => one.metrics()));
  return texts.join('\n');
}

/** Every name that is exposed, the parts of histograms included. */
async function exposedNames(): Promise<Set<string>> {
  const text = await metricsText();
  const samples = [...text.matchAll(/^([a-z_]+)(?:\{|\s)/gm)].map(([, name]) => name!);
  const declared = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);
  return new Set([...samples, ...declared]);
}

const namesIn = (text: string): string[] => text.match(/\b(?:tallyman|process)_[a-z_]+/g) ?? [];

test('promtool accepts the rules', () => {
  expect(execFileSync('promtool', ['check', 'rules', rulesFile], { encoding: 'utf8' })).toContain('SUCCESS');
});

test('promtool accepts the configuration', () => {
  const file = join(deploy, 'prometheus/prometheus.yml');
  expect(execFileSync('promtool', ['check', 'config', file], { encoding: 'utf8' })).toContain('SUCCESS');
});

test('promtool accepts the metrics', async () => {
  const ours = (await metricsText())
    .split('\n\n')
    .filter((family) => family.includes('tallyman_'))
    .join('\n\n');
  expect(() => execFileSync('promtool', ['check', 'metrics'], { input: `${ours}\n` })).not.toThrow();
});

test('the runners are shown as they stand', async () => {
  const text = await metricsText();
  expect(text).toContain('tallyman_lag_events{topic="usage.session",partition="0"} 4');
  expect(text).toContain('tallyman_lag_standing_seconds{topic="usage.session",partition="0"} 7');
  expect(text).toContain('tallyman_open_transaction_events{topic="usage.session",partition="0"} 3');
  expect(text).toContain('tallyman_problem{code="PARTITION_STUCK",subject="usage.session/0"} 1');
  expect(text).toContain('tallyman_events_counted_total{topic="usage.session"} 4');
  expect(text).toContain('tallyman_events_duplicate_total{topic="usage.session"} 3');
  expect(text).toContain('tallyman_event_delay_seconds_bucket{le="0.25",topic="usage.session"} 1');
});

test('rules, dashboard and autoscaling name only metrics that exist', async () => {
  const exposed = await exposedNames();
  const dashboard = readFileSync(join(deploy, 'grafana/dashboards/tallyman.json'), 'utf8');
  const { panels } = JSON.parse(dashboard) as { panels: { targets: { expr: string }[] }[] };
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n');
  const rules = [...readFileSync(rulesFile, 'utf8').matchAll(/expr: (.*)/g)]
    .map(([, expr]) => expr)
    .join('\n');
  const scaling = readFileSync(join(deploy, 'helm/tallyman/templates/consume.yaml'), 'utf8');
  const used = [...namesIn(expressions), ...namesIn(rules), ...namesIn(scaling)];
  expect(used.length).toBeGreaterThan(15);
  expect(used.filter((name) => !exposed.has(name))).toEqual([]);
});
