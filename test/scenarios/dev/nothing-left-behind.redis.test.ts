import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { redisAnswers } from '../../../src/dev/services/redis-ping';
import { eventually } from '../../kit/services';

const HOOK = join(__dirname, '../../kit/load-typescript.js');
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
