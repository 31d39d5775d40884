import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerAnswers, startWithCompose } from '../../../../src/dev/services/docker';
import { fakePrograms, type FakePrograms } from '../../../kit/servers/fake-programs';

let programs: FakePrograms;
beforeEach(() => {
  programs = fakePrograms();
});
afterEach(() => programs.remove());

/** A `docker` that writes down how it was called, and fails the calls that match `failing`. */
const installDocker = (failing = 'none'): void =>
  programs.install(
    'docker',
    `echo "$TALLYMAN_REDIS_PORT $*" >> "${programs.folder}/calls"
     case "$*" in ${failing}) echo "first line"; echo "no such image" >&2; exit 1;; esac`,
  );

const calls = (): string[] => readFileSync(join(programs.folder, 'calls'), 'utf8').trimEnd().split('\n');

test('an engine answers, or only the client is there, or nothing is', async () => {
  installDocker();
  expect(await dockerAnswers()).toBe(true);
  installDocker('version');
  expect(await dockerAnswers()).toBe(false);
  process.env['PATH'] = '/nowhere';
  expect(await dockerAnswers()).toBe(false);
});

test('Compose starts the one service, on its port, in a project of its own; stop removes it with its data', async () => {
  installDocker();
  const redis = await startWithCompose('redis');
  const port = redis.address.replace('127.0.0.1:', '');
  const project = `--project-name tallyman-redis-${port}`;
  expect(calls()).toEqual([
    `${port} compose --file ${join(process.cwd(), 'docker-compose.yml')} ${project} up --detach --wait redis`,
  ]);

  await redis.stop();
  expect(calls()[1]).toContain(`compose ${project} down --volumes`);
});

test('when Compose cannot start it, what it made is removed and its last line is told', async () => {
  installDocker('*" up "*');
  await expect(startWithCompose('redis')).rejects.toThrow('no such image');
  expect(calls()[1]).toContain(' down --volumes');
});
