import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { brokerAnswers } from '../../kafka/checks/ping-broker';
import { TallymanError } from '../../lib/errors';
import { freePort } from './free-port';
import { runCommand } from '../run-command';
import { redisAnswers } from './redis-ping';
import type { ServiceHandle } from './service';
import { createWatchdog, type Watchdog } from '../../lib/process/watchdog';

const ENGINE_TIMEOUT_MS = 5_000;
const ASK_INTERVAL_MS = 100;
/** Pulling both images for the first time takes longest. */
const UP_TIMEOUT_MS = 600_000;
/** Compose refuses its file without a secret, also for services that take none. */
const UNUSED_SECRET = 'unused';

/**
 * Runs `docker` with these arguments when this process dies before it has said `stopped`. It does
 * so twice, because the engine may be busy with a request of the dead process.
 */
const removesAtDeath = (args: readonly string[]): Watchdog =>
  createWatchdog(
    `read -r stopped && exit; export TALLYMAN_AUTH_SECRET=${UNUSED_SECRET}; docker "$@"; sleep 5; docker "$@"`,
    args,
  );

/** True if a Docker engine answers. The client alone is not enough. */
export async function dockerAnswers(): Promise<boolean> {
  return (await runCommand('docker', ['version'], { timeoutMs: ENGINE_TIMEOUT_MS })).ok;
}

/**
 * Starts one service of docker-compose.yml on a free port, as a Compose project of its own, so that
 * it does not touch another copy or a Compose for development.
 *
 * @throws TallymanError `SERVICE_NOT_STARTED` with the end of Compose's output; nothing is left
 *   behind then
 */
export async function startWithCompose(service: 'kafka' | 'redis'): Promise<ServiceHandle> {
  const port = await freePort();
  const project = `tallyman-${service}-${port}`;
  const down = ['compose', '--project-name', project, 'down', '--volumes', '--timeout', '2'];
  const watchdog = removesAtDeath(down);
  const env = { ...process.env, TALLYMAN_AUTH_SECRET: UNUSED_SECRET };
  const stop = async (): Promise<void> => {
    await runCommand('docker', down, { env });
    watchdog.say('stopped');
  };
  const { ok, output } = await runCommand(
    'docker',
    ['compose', '--file', composeFile(), '--project-name', project, 'up', '--detach', '--wait', service],
    {
      env: { ...env, [`TALLYMAN_${service.toUpperCase()}_PORT`]: String(port) },
      timeoutMs: UP_TIMEOUT_MS,
    },
  );
  if (!ok) {
    await stop();
    throw new TallymanError(
      'SERVICE_NOT_STARTED',
      `Docker Compose did not start ${service}: ${lastLine(output)}`,
    );
  }
  return { origin: 'Docker Compose', address: `127.0.0.1:${port}`, stop };
}

/** A service of docker-compose.yml, as far as testcontainers needs it. */
interface ComposeService {
  readonly image: string;
  readonly hostname?: string;
  readonly command?: string;
  readonly environment?: Readonly<Record<string, string | number>>;
}

const PORT_INSIDE = { kafka: 9092, redis: 6379 };
/** Includes pulling the image for the first time. */
const CONTAINER_LIMIT_MS = 180_000;

/**
 * Starts Kafka or Redis with testcontainers, with the image and the settings of docker-compose.yml.
 * It is a development dependency, so it is loaded only here, and only when it is used.
 *
 * @throws TallymanError `SERVICE_NOT_STARTED` when it does not answer within three minutes; nothing
 *   is left behind then
 */
export async function startContainer(service: 'kafka' | 'redis'): Promise<ServiceHandle> {
  const { GenericContainer, Wait } = await import('testcontainers');
  // The port is chosen here, because Kafka has to know it when it starts.
  const port = await freePort();
  const { image, hostname, command, environment } = await composeService(service, port);
  const name = `tallyman-${service}-${port}`;
  const container = new GenericContainer(image)
    .withName(name)
    .withEnvironment(Object.fromEntries(Object.entries(environment ?? {}).map(([k, v]) => [k, String(v)])))
    .withExposedPorts({ container: PORT_INSIDE[service], host: port })
    // Below: their own wait runs programs in the container again and again.
    .withWaitStrategy(Wait.forAll([]))
    // Their reaper needs an image of its own. The watchdog does the same without.
    .withAutoCleanup(false);
  if (hostname !== undefined) container.withHostname(hostname);
  if (command !== undefined)
    container.withCommand(command.split(' ').map((word) => (word === '""' ? '' : word)));
  const remove = ['rm', '--force', '--volumes', name];
  const watchdog = removesAtDeath(remove);
  const stop = async (): Promise<void> => {
    await runCommand('docker', remove);
    watchdog.say('stopped');
  };
  const giveUpAt = performance.now() + CONTAINER_LIMIT_MS;
  const answers = (): Promise<boolean> =>
    service === 'kafka' ? brokerAnswers([`127.0.0.1:${port}`]) : redisAnswers(port);
  try {
    await container.start();
    while (!(await answers())) {
      if (performance.now() > giveUpAt)
        throw new TallymanError('SERVICE_NOT_STARTED', `${image} does not answer on 127.0.0.1:${port}`);
      await delay(ASK_INTERVAL_MS);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin: `Docker, ${image}`, address: `127.0.0.1:${port}`, stop };
}

async function composeService(service: 'kafka' | 'redis', port: number): Promise<ComposeService> {
  const { parse } = await import('yaml');
  const text = readFileSync(composeFile(), 'utf8').replace(
    /\$\{TALLYMAN_(KAFKA|REDIS)_PORT:-\d+\}/g,
    String(port),
  );
  return (parse(text) as { services: Record<string, ComposeService> }).services[service]!;
}

/**
 * This file runs from src/ in tests and from dist/ otherwise, so the project's folder is searched
 * upwards.
 */
function composeFile(): string {
  for (let folder = __dirname; ; folder = dirname(folder)) {
    const file = join(folder, 'docker-compose.yml');
    if (existsSync(file) || folder === dirname(folder)) return file;
  }
}

const lastLine = (output: string): string => output.trimEnd().split('\n').at(-1) ?? '';
