import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TallymanError } from '../../lib/errors';
import { freePort } from './free-port';
import { runCommand } from '../run-command';
import type { ServiceHandle } from './service';
import { createWatchdog } from '../../lib/process/watchdog';

const ENGINE_TIMEOUT_MS = 5_000;
/** Pulling both images for the first time takes longest. */
const UP_TIMEOUT_MS = 600_000;

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
  const watchdog = createWatchdog('read -r stopped || docker "$@"', down);
  const stop = async (): Promise<void> => {
    await runCommand('docker', down);
    watchdog.say('stopped');
  };
  const { ok, output } = await runCommand(
    'docker',
    ['compose', '--file', composeFile(), '--project-name', project, 'up', '--detach', '--wait', service],
    {
      env: { ...process.env, [`TALLYMAN_${service.toUpperCase()}_PORT`]: String(port) },
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

const KAFKA_IMAGE = 'confluentinc/cp-kafka:8.1.0';
const REDIS_IMAGE = 'redis:7.2-alpine';

/**
 * Starts Kafka or Redis with testcontainers, whose reaper removes the container however this
 * process ends. It is a development dependency, so it is loaded only here, and only when it is
 * used.
 */
export async function startContainer(service: 'kafka' | 'redis'): Promise<ServiceHandle> {
  const stopOf = (container: { stop(): Promise<unknown> }) => async (): Promise<void> =>
    void (await container.stop());
  if (service === 'kafka') {
    const { KafkaContainer } = await import('@testcontainers/kafka');
    const container = await new KafkaContainer(KAFKA_IMAGE)
      .withEnvironment({ KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false', KAFKA_MESSAGE_MAX_BYTES: '4194304' })
      .start();
    const address = `${container.getHost()}:${container.getMappedPort(9093)}`;
    return { origin: `Docker, ${KAFKA_IMAGE}`, address, stop: stopOf(container) };
  }
  const { RedisContainer } = await import('@testcontainers/redis');
  const container = await new RedisContainer(REDIS_IMAGE)
    .withCommand(['redis-server', '--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'])
    .start();
  const address = `${container.getHost()}:${container.getPort()}`;
  return { origin: `Docker, ${REDIS_IMAGE}`, address, stop: stopOf(container) };
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
