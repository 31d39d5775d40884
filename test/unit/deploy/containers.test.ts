import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const root = join(__dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Service {
  readonly image?: string;
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>> | readonly string[];
}

test('Compose brings up Kafka, Redis, Tallyman and its monitoring, on the loopback only', () => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>;
  };
  expect(Object.keys(services).sort()).toEqual(
    ['kafka', 'redis', 'init', 'consume', 'close', 'verify', 'serve', 'prometheus', 'grafana'].sort(),
  );
  for (const { ports = [] } of Object.values(services)) {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
  expect(read('docker-compose.yml')).toMatch(/--appendonly yes.*noeviction/);
});

test('the image runs as nobody special, and holds only what it is told to', () => {
  const dockerfile = read('Dockerfile');
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  const allowed = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'));
  for (const [, sources] of dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)) {
    for (const source of sources!.split(' ')) expect(allowed).toContain(`!${source}`);
  }
});

test('scheduled closes recount the month before they issue, and a second count runs beside the consumers', () => {
  const compose = read('docker-compose.yml');
  expect(compose).toContain('tallyman close --verify;');
  expect(compose).toContain('command: verify --follow --state /var/lib/tallyman/verify');
});
