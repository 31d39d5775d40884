import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Registry } from 'prom-client';
import { REJECTION_REASONS } from '../../../consumers/decode/rejection';
import { createLiveKitMetrics } from '../../../src/livekit/livekit-metrics';
import { createInstallationMetrics } from '../../../src/ops/installation-metrics';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import type { Store } from '../../../src/redis/store';
import { createGatewayMetrics } from '../../../src/web/gateway/gateway-metrics';
import { createConsumerMetrics } from '../../../src/ingest/health/consumer-metrics';
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
  // No value of it is read here, so it needs no Redis.
  const installation = createInstallationMetrics(
    {} as Store,
    createBillingCalendar('UTC'),
    { position: () => undefined, problem: () => undefined, firstLook: () => Promise.resolve(), stop() {} },
    () => ({ ready: true, problems: [] }),
    () => 0,
  );
  const gateway = new Registry();
  createGatewayMetrics(gateway, () => 0);
  createLiveKitMetrics(gateway, () => 0);
  const transfer = createTransferProbes(['http://10.0.0.4:6789/metrics'], () => 1_000).registry;
  const registries = [metrics.registry, follower, installation.registry, gateway, transfer];
  return (await Promise.all(registries.map((registry) => registry.metrics()))).join('\n');
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

const ruleTests = ['rules.test.yml', 'rules-of-days.test.yml'].map((name) => join(__dirname, name));

test('each alert fires when it should, and only then', () => {
  expect(execFileSync('promtool', ['test', 'rules', ...ruleTests], { encoding: 'utf8' })).toContain(
    'SUCCESS',
  );
  // promtool evaluates hours of samples.
}, 60_000);

test('every alert has a test, except those that only compare one metric with a limit', () => {
  const tested = ruleTests.map((file) => readFileSync(file, 'utf8')).join('');
  const alerts = [...readFileSync(rulesFile, 'utf8').matchAll(/alert: (\w+)/g)].map(([, name]) => name!);
  expect(alerts.filter((name) => !tested.includes(name))).toEqual([
    ...['TallymanNotReady', 'TallymanPartitionStands', 'TallymanTransactionOpen', 'TallymanTotalsNotFresh'],
    ...['TallymanApplySlow', 'TallymanRedisDiffers', 'TallymanNotFollowed'],
  ]);
});

test('promtool accepts the metrics', async () => {
  // Metrics of consumers and of the server share names, and one scrape has each once.
  const families = (await metricsText())
    .split(/\n\n+/)
    .filter((family) => family.includes('tallyman_') && /^tallyman_/m.test(family));
  const ours = [...new Map(families.map((family) => [family.split('\n')[0], family])).values()].join('\n\n');
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

test('counters are born at zero, so that their first increase is seen', async () => {
  const text = await metricsText();
  for (const reason of REJECTION_REASONS) {
    expect(text).toContain(`tallyman_dead_letters_total{topic="usage.session",reason="${reason}"} 0`);
    expect(text).toContain(`tallyman_gateway_events_rejected_total{reason="${reason}"} 0`);
  }
  expect(text).toContain('tallyman_gateway_events_rejected_total{reason="forbidden"} 0');
  expect(text).toContain('tallyman_gateway_requests_refused_total{cause="full"} 0');
  expect(text).toContain('tallyman_livekit_deliveries_total{fate="kept_nowhere"} 0');
  expect(text).toContain('tallyman_livekit_sessions_ended_total{by="limit"} 0');
});

/** Each expression of the rules, the dashboard and the autoscaling. */
function expressions(): string[] {
  const { groups } = parse(readFileSync(rulesFile, 'utf8')) as { groups: { rules: { expr: string }[] }[] };
  const dashboard = readFileSync(join(deploy, 'grafana/dashboards/tallyman.json'), 'utf8');
  const { panels } = JSON.parse(dashboard) as { panels: { targets: { expr: string }[] }[] };
  const scaling = readFileSync(join(deploy, 'helm/tallyman/templates/consume.yaml'), 'utf8');
  return [
    ...groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...[...scaling.matchAll(/query: (.*)/g)].map(([, query]) => query!),
  ];
}

test('rules, dashboard and autoscaling name only metrics that exist', async () => {
  const exposed = await exposedNames();
  const used = expressions().flatMap(namesIn);
  expect(used.length).toBeGreaterThan(60);
  expect(used.filter((name) => !exposed.has(name))).toEqual([]);
});

test('lag, which every process reports, is counted once', () => {
  const asking = expressions().filter((expression) => expression.includes('tallyman_lag_'));
  expect(asking.length).toBeGreaterThan(5);
  for (const expression of asking)
    for (const before of expression.split('tallyman_lag_').slice(0, -1))
      expect(before).toMatch(/max by \(topic(, partition)?\) \((\w+\()?$/);
});

test('the dashboard asks the data source that its reader chooses', () => {
  const text = readFileSync(join(deploy, 'grafana/dashboards/tallyman.json'), 'utf8');
  const sources = [...text.matchAll(/"uid": "(.*)"/g)].map(([, uid]) => uid);
  expect(new Set(sources)).toEqual(new Set(['${datasource}', 'tallyman']));
});
