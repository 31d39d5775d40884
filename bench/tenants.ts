import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { loadCatalog } from '../src/installation/catalog-file';
import { invoiceOf } from '../src/close/issue-invoices';
import { freePort } from '../src/dev/services/free-port';
import type { NativeService } from '../src/dev/services/service';
import { createBillingCalendar } from '../src/rating/billing-calendar';
import type { RatedEvent } from '../src/rating/usage';
import { apply } from '../src/redis/apply/apply-chunk';
import type { Store } from '../src/redis/store';
import { writeInvoices } from '../src/redis/views/write-invoices';
import { writeProject } from '../src/redis/views/projects';
import { createTokens } from '../src/web/http/tokens';
import { initInstallation, initMadeUp, MADE_UP_TOPIC, openBenchStore } from './installation';
import type { Noise, Noisy } from './noise';
import { cpuMs, startChild, until } from './processes';
import { quantiles } from './quantiles';
import { environment, newPrefix, say, startRedis } from './servers';

export interface TenantsResult {
  readonly section: 'tenants';
  readonly what: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  /** p99 as a multiple of the same without the noisy tenant. */
  readonly p99ToIdle?: number;
  /** How many of the quiet tenant's requests were not answered with 200. */
  readonly refused: number;
  readonly serverCpuPercent: number;
  /** What the noisy tenant was answered meanwhile, refusals included. */
  readonly noisyAnswers?: number;
}

const SHARDS = 12;
const SECRET = 'a secret of the benchmark, longer than 32 bytes';
/** The streams and the PDFs have connections of their own. */
const CONNECTIONS = [64, 500];
const STREAMS = 200;
const PDFS = 50;
/** The limit of a subject is 600 requests in a minute. */
const QUIET_EVERY_MS = 125;
const WARM_UP_SECONDS = 5;
const QUIET_PATHS = ['/usage', '/quota', '/invoices', '/budget'];

/**
 * How long a quiet tenant waits for `tallyman serve`: alone, and beside a tenant that asks for
 * everything it can over 64 and 500 connections, opens 200 streams and fetches 50 PDFs, all in
 * loops. The quiet one is measured from the noisy one's first request on.
 */
export async function measureTenants(
  kafka: NativeService,
  { seconds }: { readonly seconds: number },
  onResult: (result: TenantsResult) => void,
): Promise<void> {
  const redis = await startRedis();
  const [port, healthPort] = [await freePort(), await freePort()];
  const env = {
    ...environment(kafka, redis, newPrefix('tenants')),
    TALLYMAN_AUTH_SECRET: SECRET,
    TALLYMAN_PORT: String(port),
    TALLYMAN_HEALTH_PORT: String(healthPort),
  };
  const store = await openBenchStore(env);
  const agent = new Agent({ keepAlive: true });
  try {
    await initInstallation(env, SHARDS);
    await initMadeUp(store, SHARDS);
    const invoices = await fill(store, ['noisy', 'quiet']);
    const server = startChild('src/cli/tallyman.js', ['serve'], env);
    try {
      const tokenOf = (project: string, subject = 'admin'): string =>
        createTokens(SECRET).sign({
          ...{ subject, projects: { [project]: 'admin' }, expiresAtMs: Date.now() + 3_600_000 },
        });
      await until(() => fetch(`http://127.0.0.1:${healthPort}/healthz`).then(() => true, () => false)); // prettier-ignore
      const quiet = { agent, port, token: tokenOf('quiet'), server: server.pid, seconds };
      await measureQuiet({ ...quiet, seconds: WARM_UP_SECONDS }, 'warm-up');
      const idle = await measureQuiet(quiet, 'the quiet tenant alone');
      onResult(idle);
      for (const connections of CONNECTIONS) {
        // Each begins with limits that are not used up.
        const token = tokenOf('noisy', `noisy over ${connections}`);
        const noise: Noise = { port, token, project: 'noisy', connections, streams: STREAMS, invoices };
        const client = startChild('bench/noise.js', [JSON.stringify(noise)], env);
        const beside = await measureQuiet(quiet, `beside a noisy one over ${connections} connections`);
        client.process.send('counts');
        const [counts] = (await once(client.process, 'message')) as [Noisy];
        onResult({ ...beside, p99ToIdle: beside.p99Ms / idle.p99Ms, noisyAnswers: sumOf(counts) });
        for (const [what, count] of Object.entries(counts).sort()) say(`noisy: ${what}: ${count}`);
        await client.stop();
      }
    } finally {
      await server.stop();
    }
  } finally {
    agent.destroy();
    await store.close();
    await redis.stop();
  }
}

const sumOf = (counts: Noisy): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

interface Quiet {
  readonly agent: Agent;
  readonly port: number;
  readonly token: string;
  readonly server: number;
  readonly seconds: number;
}

/** Asks at fixed times, whatever the answers take: a slow answer delays no request. */
async function measureQuiet(quiet: Quiet, what: string): Promise<TenantsResult> {
  const startedAt = performance.now();
  const cpuBefore = cpuMs(quiet.server);
  const asked: Promise<{ ms: number; status: number }>[] = [];
  for (let i = 0; i < (quiet.seconds * 1000) / QUIET_EVERY_MS; i += 1) {
    await delay(startedAt + i * QUIET_EVERY_MS - performance.now());
    asked.push(ask(quiet, `/v1/projects/quiet${QUIET_PATHS[i % QUIET_PATHS.length]}`));
  }
  const answers = await Promise.all(asked);
  const at = quantiles(answers.map(({ ms }) => ms));
  const cpu = (cpuMs(quiet.server) - cpuBefore) / (performance.now() - startedAt);
  return {
    ...{ section: 'tenants', what, p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1) },
    refused: answers.filter(({ status }) => status !== 200).length,
    serverCpuPercent: cpu * 100,
  };
}

async function ask({ agent, port, token }: Quiet, path: string): Promise<{ ms: number; status: number }> {
  const startedAt = performance.now();
  const headers = { authorization: `Bearer ${token}` };
  const [answer] = (await once(get({ host: '127.0.0.1', port, agent, path, headers }), 'response')) as [
    NodeJS.ReadableStream & { statusCode: number },
  ];
  answer.resume();
  await once(answer, 'end');
  return { ms: performance.now() - startedAt, status: answer.statusCode };
}

/** A busy month for each project, and the noisy one's invoices. @returns their ids */
async function fill(store: Store, projects: readonly string[]): Promise<string[]> {
  const month = new Date().toISOString().slice(0, 7);
  const events = projects.flatMap((project) => daysOf(project, month)).map(eventAt);
  await apply(store, 0, { topic: MADE_UP_TOPIC, from: 0, next: events.length, events });
  for (const project of projects)
    await writeProject(store, { project, plans: [{ plan: 'ship', from: '2024-01-01' }] });
  const terms = { store, calendar: createBillingCalendar('UTC'), catalog: loadCatalog().catalog, month };
  const issuedAt = new Date().toISOString();
  const [noisy = ''] = projects;
  const { invoice } = await invoiceOf({ ...terms, issuedAt }, noisy, `${noisy}-0001`);
  const entries = Array.from({ length: PDFS }, (_, i) => `${2020 + Math.floor(i / 12)}-${String(1 + (i % 12)).padStart(2, '0')}`); // prettier-ignore
  await writeInvoices(
    store,
    entries.map((entry) => {
      const document = { ...invoice, id: `${noisy}-${entry}`, month: entry };
      return { project: noisy, entry, json: JSON.stringify(document) };
    }),
  );
  return entries.map((entry) => `${noisy}-${entry}`);
}

const DAYS = 28;

function daysOf(project: string, month: string): Pick<RatedEvent, 'project' | 'month' | 'day' | 'usages'>[] {
  const usage = (meter: string, quantity: number, model?: string): RatedEvent['usages'][number] => ({
    ...{ meter: meter as 'agent.session', quantity: String(quantity), ...(model && { model }) },
  });
  return Array.from({ length: DAYS }, (_, i) => ({
    ...{ project, month, day: `${month}-${String(i + 1).padStart(2, '0')}` },
    usages: [
      usage('agent.session', 36_000),
      usage('session.webrtc', 288_000),
      usage('session.sip.us_local', 1_200),
      usage('transfer.downstream', 26_000_000_000),
      usage('inference.stt', 4_900, 'deepgram/nova-3'),
      usage('inference.llm.input', 1_400_000, 'openai/gpt-4.1-mini'),
      usage('inference.llm.output', 210_000, 'openai/gpt-4.1-mini'),
      usage('inference.tts', 29_000, 'cartesia/sonic'),
    ],
  }));
}

const eventAt = (
  rest: Pick<RatedEvent, 'project' | 'month' | 'day' | 'usages'>,
  offset: number,
): RatedEvent => ({
  ...{ offset, source: '/bench/1', id: `e-${offset}`, ...rest },
});
