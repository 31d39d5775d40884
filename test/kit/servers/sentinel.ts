import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../src/dev/services/free-port';
import { startNative } from '../../../src/dev/services/native-process';
import { redisAnswers } from '../../../src/dev/services/redis-ping';
import type { NativeService } from '../../../src/dev/services/service';

/** A Redis Sentinel that watches nothing. */
export async function startSentinel(): Promise<NativeService> {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-sentinel-'));
  const [dataDir, settings, port] = [join(folder, 'data'), join(folder, 'sentinel.conf'), await freePort()];
  await mkdir(dataDir);
  await writeFile(settings, `port ${port}\nbind 127.0.0.1\ndir ${dataDir}\n`);
  return startNative({
    ...{ name: 'Redis Sentinel', origin: 'redis-server', command: 'redis-server' },
    args: [settings, '--sentinel'],
    ...{ folder, dataDir, port },
    isReady: () => redisAnswers(port),
    readyTimeoutMs: 20_000,
  });
}
