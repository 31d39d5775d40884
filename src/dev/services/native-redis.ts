import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TallymanError } from '../../lib/errors';
import { freePort } from './free-port';
import { startNative } from './native-process';
import { redisAnswers } from './redis-ping';
import { needProgram } from '../need-program';
import type { NativeService } from './service';

const READY_TIMEOUT_MS = 20_000;

/**
 * Starts a `redis-server` of this machine with the settings that Tallyman needs in production: an
 * append-only file and no eviction. On Debian and its derivatives, as root, a missing
 * `redis-server` is installed.
 *
 * @throws TallymanError `REDIS_MISSING` with what to install; `SERVICE_NOT_STARTED`.
 */
export async function startNativeRedis(
  log: (line: string) => void,
  moreArgs: readonly string[] = [],
): Promise<NativeService> {
  await needRedisServer(log);
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-redis-'));
  const dataDir = join(folder, 'data');
  await mkdir(dataDir);
  const port = await freePort();
  return startNative({
    name: 'Redis',
    origin: 'redis-server',
    command: 'redis-server',
    args: [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir],
      ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
      ...['--maxmemory-policy', 'noeviction'],
      ...moreArgs,
    ],
    folder,
    dataDir,
    port,
    isReady: () => redisAnswers(port),
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
}

async function needRedisServer(log: (line: string) => void): Promise<void> {
  const redis = { command: 'redis-server', versionArgument: '--version', debianPackage: 'redis-server' };
  if (await needProgram(redis, log)) return;
  throw new TallymanError(
    'REDIS_MISSING',
    'No Redis: install redis-server 7 or newer (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), start Docker, or set REDIS_URL',
  );
}
