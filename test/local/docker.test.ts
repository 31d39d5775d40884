import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { dockerAnswers, startWithCompose } from '../../src/local/docker';

const path = process.env['PATH'];
let folder: string;

/** Puts a `docker` first on the PATH that writes down how it was called and ends with `exitCode` for `failing`. */
function installDocker(failing = ''): void {
  const script = `#!/bin/sh
echo "$TALLYMAN_REDIS_PORT $*" >> "${folder}/calls"
case "$*" in ${failing || 'nothing'}) echo "first line"; echo "no such image" >&2; exit 1;; esac
`;
  writeFileSync(join(folder, 'docker'), script);
  chmodSync(join(folder, 'docker'), 0o755);
}

const calls = (): string[] => readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tallyman-docker-test-'));
  process.env['PATH'] = `${folder}${delimiter}${path}`;
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true });
});

test('an engine answers, or it does not, or there is no Docker at all', async () => {
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
