import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../src/dev/services/free-port';
import type { NativeService } from '../src/dev/services/service';
import { createTokens } from '../src/web/http/tokens';
import { countWrong, readHashes } from './check-totals';
import { appliedRecords, endsOfLog, initInstallation, openBenchStore } from './installation';
import type { Posted, Posting } from './post';
import { cpuMs, peakBytes, startChild, until } from './processes';
import type { Recount } from './recount';
import { environment, newPrefix, startRedis } from './servers';
import { lastMonth } from './workload';

export interface GatewayOptions {
  readonly seed: number;
  readonly partitions: number;
  readonly projects: number;
  /** In batches; a hundredth of them in requests of their own. */
  readonly posted: number;
}

/** CPU is in seconds per million events. */
export interface GatewayResult {
  readonly section: 'gateway';
  readonly what: string;
  readonly projects: number;
  readonly partitions: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly gatewayCpu: number;
  readonly consumerCpu: number;
  readonly redisCpu: number;
  readonly kafkaCpu: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly peakMemoryMb: number;
  /** How long the consumer needs after the last answer. */
  readonly behindSeconds: number;
  readonly wrongTotals: number;
  readonly totals: number;
}

const SECRET = 'a secret of the benchmark, longer than 32 bytes';

/**
 * `POST /v1/events` of `tallyman gateway`, as fast as one client gets answers, while a consumer
 * counts what arrives.
 */
export async function measureGateway(
  kafka: NativeService,
  options: GatewayOptions,
  onResult: (result: GatewayResult) => void,
): Promise<void> {
  const { posted } = options;
  onResult(await measure(kafka, options, { events: posted, batch: 100, connections: 16 }));
  onResult(await measure(kafka, options, { events: posted / 20, batch: 1, connections: 64 }));
}

async function measure(
  kafka: NativeService,
  { seed, partitions, projects }: GatewayOptions,
  { events, batch, connections }: Pick<Posting, 'events' | 'batch' | 'connections'>,
): Promise<GatewayResult> {
  const redis = await startRedis();
  const port = await freePort();
  const env = {
    ...environment(kafka, redis, newPrefix('gateway')),
    TALLYMAN_AUTH_SECRET: SECRET,
    TALLYMAN_PORT: String(port),
  };
  const store = await openBenchStore(env);
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-bench-'));
  try {
    await initInstallation(env, partitions);
    const consumer = startChild('src/cli/tallyman.js', ['consume'], env);
    const gateway = startChild('src/cli/tallyman.js', ['gateway'], env);
    try {
      await until(() => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false)); // prettier-ignore
      const token = createTokens(SECRET).sign({
        ...{ subject: 'bench', role: 'producer', expiresAtMs: Date.now() + 3_600_000 },
      });
      const file = join(folder, 'totals.json');
      const month = lastMonth(Date.now());
      const posting: Posting = {
        ...{ port, token, batch, connections, file, seed, month, events, projects },
      };
      const sample = () => ({
        gateway: cpuMs(gateway.pid),
        consumer: cpuMs(consumer.pid),
        redis: cpuMs(redis.pid),
        kafka: cpuMs(kafka.pid),
      });
      let before = sample();
      let result: Exclude<Posted, { begun: true }> | undefined;
      const client = startChild('bench/post.js', [JSON.stringify(posting)], env, (message) => {
        const said = message as Posted;
        if ('begun' in said) before = sample();
        else result = said;
      });
      await client.ended;
      const answeredAt = performance.now();
      const gatewayCpuMs = cpuMs(gateway.pid) - before.gateway;
      const ends = await endsOfLog(env);
      const all = [...ends.values()].flat().reduce((sum, end) => sum + end, 0);
      await until(async () => (await appliedRecords(store, ends)) >= all);
      const after = sample();
      const cpu = (name: keyof typeof before): number => ((after[name] - before[name]) * 1000) / all;
      const expected = JSON.parse(readFileSync(file, 'utf8')) as Recount['totals'];
      const found = await readHashes(store, { pattern: '*}:totals:*', stem: /^.*}:totals:/ });
      const { wrong, of } = countWrong(found, expected);
      const { seconds, p50Ms, p99Ms } = result!;
      return {
        ...{ section: 'gateway', what: `requests of ${batch}`, projects, partitions, events: all },
        ...{ eventsPerSecond: all / seconds, gatewayCpu: (gatewayCpuMs * 1000) / all },
        ...{ consumerCpu: cpu('consumer'), redisCpu: cpu('redis'), kafkaCpu: cpu('kafka'), p50Ms, p99Ms },
        ...{ peakMemoryMb: peakBytes(gateway.pid) / 1e6 },
        behindSeconds: (performance.now() - answeredAt) / 1000,
        ...{ wrongTotals: wrong, totals: of },
      };
    } finally {
      await gateway.stop();
      await consumer.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await store.close();
    await redis.stop();
  }
}
