import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../src/dev/services/free-port';
import type { NativeService } from '../src/dev/services/service';
import { createTokens } from '../src/web/http/tokens';
import { applyMadeUp, initInstallation, initMadeUp, openBenchStore } from './installation';
import { startChild } from './processes';
import { quantiles } from './quantiles';
import { environment, newPrefix, startRedis } from './servers';
import { projectNames } from './workload';

export interface QuotaResult {
  readonly section: 'quota';
  readonly what: string;
  readonly projects: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
}

const SHARDS = 12;
const PROJECTS = 1_000;
const USAGES_PER_PROJECT = 100;
const REQUESTS = 2_000;
const WARM_UP_REQUESTS = 300;
const SECRET = 'a secret of the benchmark, longer than 32 bytes';

/**
 * How long a gatekeeper waits for `GET /quota` of `tallyman serve`, one request after the other
 * over one connection.
 */
export async function measureQuota(
  kafka: NativeService,
  onResult: (result: QuotaResult) => void,
): Promise<void> {
  const redis = await startRedis();
  const [port, healthPort] = [await freePort(), await freePort()];
  const env = {
    ...environment(kafka, redis, newPrefix('quota')),
    TALLYMAN_AUTH_SECRET: SECRET,
    TALLYMAN_PORT: String(port),
    TALLYMAN_HEALTH_PORT: String(healthPort),
  };
  const month = new Date().toISOString().slice(0, 7);
  const projects = projectNames(PROJECTS);
  const store = await openBenchStore(env);
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-bench-'));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    await initInstallation(env, SHARDS);
    await initMadeUp(store, SHARDS);
    const count = PROJECTS * USAGES_PER_PROJECT;
    await applyMadeUp(store, { shards: SHARDS, first: 0, count, month, projects });
    const file = join(folder, 'projects.ndjson');
    writeFileSync(file, projects.map((project, i) => JSON.stringify(planned(project, i, month))).join('\n'));
    await startChild('src/cli/tallyman.js', ['projects', 'import', file], env).ended;
    const server = startChild('src/cli/tallyman.js', ['serve'], env);
    try {
      const expiresAtMs = Date.now() + 3_600_000;
      const token = createTokens(SECRET).sign({ subject: 'gatekeeper', role: 'ops', expiresAtMs });
      const ask = (path: string): Promise<number> =>
        msOf({ agent, port: path === '/healthz' ? healthPort : port, path, token });
      while (!(await ask('/healthz').catch(() => undefined))) await delay(50);
      const quotas = projects.map((project) => `/v1/projects/${project}/quota`);
      for (const [what, asked] of [
        ['/healthz, which reads nothing', ['/healthz']],
        ['a month of one plan', quotas.filter((_, i) => i % 2 === 0)],
        ['a month in two parts', quotas.filter((_, i) => i % 2 === 1)],
      ] as const) {
        for (let i = 0; i < WARM_UP_REQUESTS; i += 1) await ask(asked[i % asked.length]!);
        const times: number[] = [];
        for (let i = 0; i < REQUESTS; i += 1) times.push(await ask(asked[i % asked.length]!));
        const at = quantiles(times);
        onResult({
          ...{ section: 'quota', what, projects: PROJECTS },
          ...{ p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1) },
        });
      }
    } finally {
      await server.stop();
    }
  } finally {
    agent.destroy();
    rmSync(folder, { recursive: true, force: true });
    await store.close();
    await redis.stop();
  }
}

/** Every second project changes its plan within the month, so that its days are needed too. */
function planned(project: string, i: number, month: string): object {
  const plans = [{ plan: 'ship', from: `${month}-01` }];
  return { project, plans: i % 2 === 0 ? plans : [...plans, { plan: 'scale', from: `${month}-02` }] };
}

/** From the request's first byte to the answer's last. */
function msOf({
  agent,
  port,
  path,
  token,
}: {
  agent: Agent;
  port: number;
  path: string;
  token: string;
}): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const headers = { authorization: `Bearer ${token}` };
    get({ host: '127.0.0.1', port, path, agent, headers }, (answer) => {
      answer.resume();
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(performance.now() - startedAt);
        else reject(new Error(`${path} answers ${answer.statusCode}`));
      });
    }).on('error', reject);
  });
}
