import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { commandTree } from '../../../src/cli/lib/command-tree';
import { createProgram } from '../../../src/cli/program';
import { KAFKA_VERSION } from '../../../src/dev/services/kafka-jars';

const root = join(__dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Service {
  readonly image?: string;
  readonly command?: string;
  readonly entrypoint?: unknown;
  readonly init?: boolean;
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly healthcheck?: { readonly test?: string | readonly string[]; readonly disable?: boolean };
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly ports?: readonly string[];
}

const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>;
};
const own = Object.entries(services).filter(([, { image }]) => image === 'tallyman');
const dockerfile = read('Dockerfile');

test('Compose brings up Kafka, Redis, Tallyman, LiveKit and monitoring, on the loopback only', () => {
  expect(Object.keys(services).sort()).toEqual(
    [
      ...['kafka', 'redis', 'init', 'consume', 'close', 'verify', 'verify-daily', 'alerts', 'serve'],
      ...['bridge', 'livekit', 'prometheus', 'grafana'],
    ].sort(),
  );
  for (const { ports = [] } of Object.values(services)) {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
  expect(services['redis']!.command).toMatch(/--appendonly yes.*noeviction/);
});

test('every service starts again by itself, except the one that ends', () => {
  const without = Object.entries(services).filter(([, { restart }]) => restart !== 'unless-stopped');
  expect(without.map(([name, { restart }]) => [name, restart])).toEqual([['init', 'no']]);
});

test('no shell is process 1, and every one of our own containers is stripped of rights', () => {
  expect(own).toHaveLength(8);
  for (const [, service] of own) {
    expect(service).toMatchObject({
      init: true,
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    expect(service.entrypoint).toBeUndefined();
  }
});

test('every one of our own commands is a verb with its options', () => {
  const nodes = commandTree(createProgram());
  for (const [, { command }] of own) {
    const words = command!.split(' ');
    const node = nodes.filter(({ path }) => `${command} `.startsWith(`${path} `)).at(-1);
    const flags = node!.options.flatMap((option) => option.flags);
    for (const word of words.filter((one) => one.startsWith('--'))) expect(flags).toContain(word);
  }
});

test('`up --wait` has something to wait for: only the service that ends has no check', () => {
  const unchecked = own.filter(([, { healthcheck }]) => healthcheck?.disable === true);
  expect(unchecked.map(([name]) => name)).toEqual(['init']);
  expect(dockerfile).toMatch(
    /^HEALTHCHECK .*\\\n +CMD \["node", "dist\/src\/cli\/tallyman.js", "healthcheck"\]$/m,
  );
});

test('the check of Kafka starts no JVM', () => {
  expect(JSON.stringify(services['kafka']!.healthcheck!.test)).not.toMatch(/\.sh\b|java/);
});

test('Compose refuses to start without the secret, and gives it to the server alone', () => {
  const holders = own.filter(([, { environment }]) => environment?.['TALLYMAN_AUTH_SECRET'] !== undefined);
  expect(holders.map(([name]) => name)).toEqual(['serve']);
  expect(services['serve']!.environment!['TALLYMAN_AUTH_SECRET']).toMatch(/^\$\{TALLYMAN_AUTH_SECRET:\?/);
});

test("LiveKit's webhooks point at the bridge, which checks them with the same key", () => {
  const { environment } = services['livekit']!;
  const config = parse(String(environment!['LIVEKIT_CONFIG'])) as { webhook: unknown };
  expect(config.webhook).toEqual({
    api_key: '${LIVEKIT_API_KEY:-}',
    urls: ['http://bridge:8080/livekit/webhooks'],
  });
  expect(environment!['LIVEKIT_KEYS']).toBe('${LIVEKIT_API_KEY:-}: ${LIVEKIT_API_SECRET:-}');
  expect(services['bridge']!.environment).toMatchObject({
    LIVEKIT_API_KEY: '${LIVEKIT_API_KEY:-}',
    LIVEKIT_API_SECRET: '${LIVEKIT_API_SECRET:-}',
  });
});

test('Kafka has one version, natively and in containers, and every image names its own', () => {
  expect(services['kafka']!.image).toBe(`apache/kafka:${KAFKA_VERSION}`);
  for (const { image } of Object.values(services)) expect(image).toMatch(/^tallyman$|:v?\d+\.\d+/);
});

test('the image runs as nobody special, and holds only what it is told to', () => {
  expect(dockerfile).toMatch(/^USER node$/m);
  const lines = read('.dockerignore').split('\n');
  const allowed = lines.filter((line) => line.startsWith('!'));
  for (const [, sources] of dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)) {
    for (const source of sources!.split(' ')) expect(allowed).toContain(`!${source}`);
  }
  expect(allowed).not.toContain('!bench');
  expect(lines).toEqual(expect.arrayContaining(['src/dev', 'src/oracle']));
});

test('the labels of the image are those of the package', () => {
  const { version, license } = JSON.parse(read('package.json')) as { version: string; license: string };
  const label = (name: string): string | undefined =>
    new RegExp(`org\\.opencontainers\\.image\\.${name}="([^"]*)"`).exec(dockerfile)?.[1];
  expect(label('version')).toBe(version);
  expect(label('licenses')).toBe(license);
  expect(label('revision')).toBe('$COMMIT');
});

test('nothing in the image is bound to one kind of machine', () => {
  const steps = dockerfile.replace(/^#.*/gm, '').replace('s/amd64/x64/', '');
  expect(steps).not.toMatch(/amd64|x86_64|arm64|aarch64|linux-x64/);
  // Only the first stage runs anything, on the machine that builds.
  const [, build, last] = steps.split(/^FROM /m);
  expect(build).toMatch(/^--platform=\$BUILDPLATFORM /);
  expect(last).not.toMatch(/^RUN/m);
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, unknown> };
  const names = Object.keys(packages).map((name) => name.replace('node_modules/', ''));
  for (const codec of ['@antoniomuso/lz4-napi-linux', '@napi-rs/snappy-linux'])
    for (const machine of ['x64-gnu', 'arm64-gnu']) expect(names).toContain(`${codec}-${machine}`);
});

test('scheduled closes recount the month before they issue, and two recounts run beside the consumers', () => {
  const commands = own.map(([, { command }]) => command);
  expect(commands).toContain('close --verify --every 1h');
  expect(commands).toContain('verify --follow --state /var/lib/tallyman/verify');
  expect(commands).toContain('verify --every 24h');
});
