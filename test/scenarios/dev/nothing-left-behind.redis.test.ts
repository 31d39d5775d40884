import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { redisAnswers } from '../../../src/dev/services/redis-ping';
import { fakePrograms } from '../../kit/servers/fake-programs';
import { eventually } from '../../kit/services';

const HOOK = join(__dirname, '../../kit/load-typescript.js');
const DOCKER = join(__dirname, '../../../src/dev/services/docker.ts');
const PROGRAM = join(__dirname, '../../kit/servers/start-redis-and-wait.ts');

test.each([
  ['is killed by SIGKILL', 'wait', 'SIGKILL'],
  ['gets SIGINT, as from Ctrl-C', 'wait', 'SIGINT'],
  ['gets SIGTERM', 'wait', 'SIGTERM'],
  ['throws', 'throw', undefined],
  ['exits without a stop', 'exit', undefined],
] as const)('a program that %s takes its Redis and its folder with it', async (_what, argument, signal) => {
  const program = spawn(process.execPath, ['-r', HOOK, PROGRAM, argument], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(program, 'exit');
  const [line] = (await once(createInterface(program.stdout), 'line')) as [string];
  const redis = JSON.parse(line) as { port: number; dataDir: string };
  if (signal) program.kill(signal);
  await ended;

  // Asked at its port: a dead process stays in the table until the system's first process has
  // reaped it.
  await eventually(async () => !(await redisAnswers(redis.port)) && !existsSync(dirname(redis.dataDir)));
});

test('a program that ends without a stop has its container removed', async () => {
  const programs = fakePrograms();
  try {
    programs.install('docker', `echo "$TALLYMAN_AUTH_SECRET $*" >> "${programs.folder}/calls"`);
    const program = `void require('${DOCKER}').startWithCompose('redis')`;
    execFileSync(process.execPath, ['-r', HOOK, '-e', program], { env: process.env });
    await eventually(() => {
      const calls = readFileSync(join(programs.folder, 'calls'), 'utf8').trimEnd().split('\n');
      const [, project] = / --project-name (\S+) up /.exec(calls[0]!)!;
      return calls[1]?.startsWith(`unused compose --project-name ${project} down --volumes`);
    });
  } finally {
    programs.remove();
  }
});
