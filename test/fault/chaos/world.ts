import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startNativeKafka } from '../../../src/dev/services/native-kafka';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import type { NativeService } from '../../../src/dev/services/service';

/** The servers of one seed, and what happened on them. */
export interface ChaosWorld {
  readonly kafka: NativeService;
  readonly redis: NativeService;
  /** For files that the seed works with. */
  readonly folder: string;
  /** One line of the seed's story. */
  tell(line: string): void;
  /** Ends the servers, and keeps their files and the story. @returns the folder that holds them */
  keep(): Promise<string>;
  stop(): Promise<void>;
}

export async function startChaosWorld(seed: number): Promise<ChaosWorld> {
  const servers: [NativeService, NativeService] = await Promise.all([
    startNativeKafka(() => undefined),
    startNativeRedis(() => undefined),
  ]);
  const [kafka, redis] = servers;
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-chaos-'));
  const startedAt = Date.now();
  const story: string[] = [];
  return {
    ...{ kafka, redis, folder },
    tell: (line) => {
      const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1).padStart(6);
      story.push(`${seconds} ${line}`);
      if (process.env['CHAOS_TELL']) process.stderr.write(`${seconds} ${line}\n`);
    },
    keep: async () => {
      await Promise.all(servers.map((server) => server.kill('SIGKILL')));
      const kept = join(tmpdir(), `tallyman-chaos-kept-${seed}-${startedAt}`);
      mkdirSync(kept);
      for (const [name, { dataDir }] of Object.entries({ kafka, redis })) {
        cpSync(dirname(dataDir), join(kept, name), { recursive: true });
      }
      cpSync(folder, join(kept, 'files'), { recursive: true });
      writeFileSync(join(kept, 'story.log'), `${story.join('\n')}\n`);
      return kept;
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
