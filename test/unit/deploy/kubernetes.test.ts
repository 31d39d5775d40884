import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { parse } from 'yaml';
import { containerOf, objectsIn, podsOf } from '../../kit/deploy/objects';

const deploy = join(__dirname, '../../../deploy');
const objects = objectsIn(readFileSync(join(deploy, 'kubernetes/tallyman.yaml'), 'utf8'));
const pods = podsOf(objects);

test('the manifests hold every process, each in the namespace', () => {
  expect([...pods.keys()].sort()).toEqual(
    ['alerts', 'close', 'consume', 'follow', 'gateway', 'init', 'serve', 'verify'].sort(),
  );
  for (const { metadata } of objects) expect(metadata.namespace).toBe('tallyman');
});

test('every pod runs unprivileged, without a token of the cluster', () => {
  for (const pod of pods.values()) {
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  }
});

test('a Service named tallyman cannot set TALLYMAN_PORT in a pod', () => {
  for (const pod of pods.values()) expect(pod.enableServiceLinks).toBe(false);
});

test('what runs all the time is probed', () => {
  const always = objects.filter(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind));
  const probed = always
    .map(({ metadata }) => metadata.labels!['app.kubernetes.io/component']!)
    .filter((component) => containerOf(pods, component).readinessProbe !== undefined);
  expect(probed.sort()).toEqual(['alerts', 'consume', 'follow', 'gateway', 'serve']);
  expect(always).toHaveLength(probed.length);
});

test('scheduled closes recount the month before they issue, and never run twice at once', () => {
  expect(containerOf(pods, 'close').args).toEqual(['close', '--grace=1h', '--verify']);
  const jobs = objects.filter(({ kind }) => kind === 'CronJob');
  expect(jobs.map(({ metadata }) => metadata.name).sort()).toEqual(['tallyman-close', 'tallyman-verify']);
  for (const { spec } of jobs) expect(spec.concurrencyPolicy).toBe('Forbid');
});

test('a second count runs beside the consumers, on a disk that lasts', () => {
  const { args, volumeMounts } = containerOf(pods, 'follow');
  expect(args).toEqual(['verify', '--follow', '--state', '/var/lib/tallyman/verify']);
  expect(volumeMounts).toEqual([{ name: 'state', mountPath: '/var/lib/tallyman' }]);
});

test('init runs before each installation and upgrade, and may run again', () => {
  const init = objects.find(({ kind }) => kind === 'Job')!;
  expect(init.metadata.annotations).toEqual({
    'helm.sh/hook': 'pre-install,pre-upgrade',
    'helm.sh/hook-delete-policy': 'before-hook-creation',
  });
});

describe("the values' schema", () => {
  const chart = join(deploy, 'helm/tallyman');
  const values = (): Values => parse(readFileSync(join(chart, 'values.yaml'), 'utf8')) as Values;
  const validate = new Ajv({ strict: false }).compile(
    JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')) as object,
  );
  interface Values {
    kafka: { sasl: { mechanism: string }; tls: { certKey: string }; brokers: string[] };
    redis: { acl: { username: string } };
    serve: { ingress: { enabled: boolean } };
    [name: string]: unknown;
  }

  test('accepts the values of the chart', () => {
    expect(validate(values())).toBe(true);
  });

  test.each<[string, (given: Values) => unknown]>([
    ['a misspelt name', (given) => (given['kafak'] = {})],
    ['a broker without a port', (given) => (given.kafka.brokers = ['kafka'])],
    ['SASL without a password', (given) => (given.kafka.sasl.mechanism = 'plain')],
    ['a client certificate without its key', (given) => (given.kafka.tls.certKey = 'tls.crt')],
    ['a user of Redis without a password', (given) => (given.redis.acl.username = 'tallyman')],
    ['an Ingress without a host', (given) => (given.serve.ingress.enabled = true)],
    ['a rounding that does not exist', (given) => (given['rounding'] = 'per-hour')],
  ])('rejects %s', (_, spoil) => {
    const given = values();
    spoil(given);
    expect(validate(given)).toBe(false);
  });
});
