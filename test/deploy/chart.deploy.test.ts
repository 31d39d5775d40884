import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { CHART, KUBERNETES_VERSION, manifests, MANIFESTS, renderChart } from '../../src/dev/manifests';
import { containerOf, objectsIn, podsOf, type KubernetesObject } from '../kit/deploy/objects';
import { HELM_VARIABLE } from '../kit/deploy/obtain-helm';
import { readKubernetesSchemas, type Judge } from '../kit/deploy/schemas';

const helm = process.env[HELM_VARIABLE] ?? '';
const withHelm = helm === '' ? describe.skip : describe;
const files = ['values.yaml', ...readdirSync(join(CHART, 'ci')).map((name) => join('ci', name))];
/** The options of the chart's own values and of each example. */
const examples = files.map((file) => [file, '-f', join(CHART, file)] as const);

const render = (...options: string[]): KubernetesObject[] => objectsIn(renderChart(helm, ...options));
const example = (name: string): string => join(CHART, 'ci', `${name}-values.yaml`);
const find = (objects: KubernetesObject[], kind: string, name: string): KubernetesObject =>
  objects.find((object) => object.kind === kind && object.metadata.name === name)!;

withHelm('the chart', () => {
  let problemsOf: Judge;
  beforeAll(async () => {
    problemsOf = await readKubernetesSchemas();
  });

  test.each(examples)('passes helm lint with %s', (_, ...options) => {
    const words = ['lint', CHART, '--strict', '--kube-version', KUBERNETES_VERSION, ...options];
    expect(execFileSync(helm, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })).toContain(
      '0 chart(s) failed',
    );
  });

  test.each(examples)('is valid for Kubernetes with %s', (_, ...options) => {
    const objects = render(...options);
    expect(objects.length).toBeGreaterThan(3);
    expect(objects.flatMap(problemsOf)).toEqual([]);
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test('the schemas notice what is wrong', () => {
    const [first, ...rest] = render().filter(({ kind }) => kind === 'Deployment');
    const spoilt = structuredClone(first!);
    spoilt.spec.template.spec.containers[0].readynessProbe = {};
    spoilt.spec.replicas = 'two';
    expect(problemsOf(spoilt)).toEqual([
      expect.stringContaining('/spec/replicas must be integer'),
      expect.stringContaining('containers/0 must NOT have additional properties'),
    ]);
    expect(rest.length).toBeGreaterThan(0);
  });

  test('the manifests for kubectl are made of it', () => {
    expect(readFileSync(MANIFESTS, 'utf8')).toBe(manifests(helm));
  });

  test('it is of the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'))).toMatchObject({ appVersion: version });
  });

  test('passwords stay in their Secrets, and Kubernetes puts them into the settings', () => {
    const pods = podsOf(render('-f', example('secure')));
    expect(pods.size).toBeGreaterThan(7);
    for (const [component, pod] of pods) {
      const env = pod.containers[0].env;
      const of = (name: string): unknown => env.find((one) => one.name === name);
      expect([component, of('KAFKA_SASL_PASSWORD')]).toEqual([
        component,
        {
          name: 'KAFKA_SASL_PASSWORD',
          valueFrom: { secretKeyRef: { name: 'kafka-user', key: 'password' } },
        },
      ]);
      expect(of('REDIS_URL')).toEqual({
        name: 'REDIS_URL',
        value:
          'rediss://tallyman:$(REDIS_PASSWORD)@redis-0.redis:6380,rediss://tallyman:$(REDIS_PASSWORD)@redis-1.redis:6380',
      });
      expect(of('REDIS_TLS_KEY')).toEqual({
        name: 'REDIS_TLS_KEY',
        value: '/etc/tallyman/redis-tls/tls.key',
      });
      // Kubernetes puts in only what is defined before.
      const names = env.map(({ name }) => name);
      expect(names.indexOf('REDIS_PASSWORD')).toBeLessThan(names.indexOf('REDIS_URL'));
      const mounted = pod.containers[0].volumeMounts!.map(({ name }) => name);
      expect(mounted).toEqual(expect.arrayContaining(['kafka-tls', 'redis-tls']));
      // Every mount has its volume; those of a StatefulSet come from its claims.
      const volumes = (pod.volumes ?? []).map(({ name }) => name);
      const claimed = { bridge: ['spool'], follow: ['state'] }[component] ?? [];
      expect([...volumes, ...claimed].sort()).toEqual([...mounted].sort());
    }
  });

  test('processes that price get the catalog, and start again when it changes', () => {
    const annotation = (catalog: string): unknown => {
      const serve = find(render('--set-string', `files.catalog=${catalog}`), 'Deployment', 'tallyman-serve');
      const { metadata, spec } = serve.spec.template;
      expect(spec.containers[0].env).toContainEqual({
        name: 'TALLYMAN_CATALOG',
        value: '/etc/tallyman/files/catalog.json',
      });
      return metadata.annotations['tallyman/files'];
    };
    expect(annotation('a')).not.toBe(annotation('b'));
  });

  test('the memory of consumers grows with the ids of two months', () => {
    const memory = (events: number): string[] => {
      const pods = podsOf(render('--set', `eventsPerMonth=${events}`));
      const { requests, limits } = containerOf(pods, 'consume').resources;
      return [requests.memory, limits.memory];
    };
    expect(memory(0)).toEqual(['340Mi', '512Mi']);
    // 2 months x 100 million x 14 bytes are 2,670 MiB, for two consumers, or for one alone.
    expect(memory(100_000_000)).toEqual(['1675Mi', '3182Mi']);
  });

  test('KEDA counts lag once, and no others set the replicas then', () => {
    const objects = render('-f', example('full'));
    const [{ metadata }] = find(objects, 'ScaledObject', 'tallyman-consume').spec.triggers;
    expect(metadata.query).toBe('sum(max by (topic, partition) (tallyman_lag_events{namespace="tallyman"}))');
    expect(find(objects, 'Deployment', 'tallyman-consume').spec).not.toHaveProperty('replicas');
  });

  test('an Ingress shows neither metrics nor health', () => {
    const ingresses = render('-f', example('full')).filter(({ kind }) => kind === 'Ingress');
    expect(ingresses).toHaveLength(3);
    for (const { spec } of ingresses) {
      for (const { path, pathType } of spec.rules[0].http.paths as { path: string; pathType: string }[]) {
        if (pathType === 'Prefix') expect(path).toMatch(/^\/[a-z]/);
        expect(path).not.toMatch(/^\/(metrics|healthz|readyz)/);
      }
    }
  });

  test('a NetworkPolicy leaves the ports of Kafka and Redis open', () => {
    const { spec } = find(render('-f', example('full')), 'NetworkPolicy', 'tallyman-all');
    const ports = (spec.egress as { ports: { port: number }[] }[]).flatMap((rule) => rule.ports);
    expect(ports.map(({ port }) => port)).toEqual([53, 53, 9092, 6379, 7880]);
  });

  test('one replica has no disruption budget, which would keep its node from being drained', () => {
    const kinds = render('-f', example('small')).map(({ kind }) => kind);
    expect(kinds).not.toContain('PodDisruptionBudget');
  });

  test('the rules and the dashboard are those of the repository', () => {
    const objects = render('-f', example('full'));
    const rules = find(objects, 'PrometheusRule', 'tallyman-rules').spec as unknown;
    expect(rules).toEqual(parse(readFileSync('deploy/prometheus/rules.yml', 'utf8')));
    const dashboard = find(objects, 'ConfigMap', 'tallyman-dashboard').data!['tallyman.json']!;
    expect(JSON.parse(dashboard)).toEqual(
      JSON.parse(readFileSync('deploy/grafana/dashboards/tallyman.json', 'utf8')),
    );
  });
});
