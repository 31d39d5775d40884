import { createHash, createHmac } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { printLine } from '../../cli/lib/output';
import { readConfig } from '../../lib/config';
import { pause } from '../../lib/process/poller';
import { createOracle, type Oracle } from '../../oracle/usage-oracle';
import { monthOf, previousMonth } from '../../rating/month';
import { openStore } from '../../redis/store';
import { freePort } from '../services/free-port';
import type { Services } from '../services/services';
import {
  agree,
  agreeWithOracle,
  demoEnvironment,
  heading,
  importProjects,
  oracleTotals,
  readAllTotals,
  runCli,
  startVerb,
  type Tallyman,
} from './demo-steps';
import {
  expectedEvents,
  movedBy,
  readStories,
  RECORDED_KEY,
  RECORDED_MONTH,
  RECORDED_SECRET,
  RECORDED_SOURCE,
  sessionsWithoutEnd,
  type Story,
} from './livekit-stories';
import { showPage } from './serve-demo';

/**
 * From a LiveKit server to its invoices. The webhooks that a real livekit-server sent are posted
 * over HTTP to a bridge. Consumers count them, a close issues invoices, and every number is
 * compared with the result of an independent program for the same webhooks.
 */

/**
 * Rooms that the mapping file assigns to another project than `acme`, although their names begin
 * with it.
 */
const ROOMS: Readonly<Record<string, string>> = {
  'acme.recorded': 'globex',
  'acme.broadcast': 'globex',
  'acme.phone': 'northwind',
  'acme.sip-kind': 'northwind',
  // A connector that is not WhatsApp has no public price: only a plan that charges nothing can be
  // billed.
  'acme.egress-ingress-connector-kinds': 'northwind',
};
const PLANS = [
  { project: 'acme', plan: 'ship', rented: { usLocal: 3, usTollFree: 1 } },
  { project: 'globex', plan: 'scale' },
  { project: 'northwind', plan: 'build', rented: { usLocal: 1 } },
];
const PROJECTS = [...PLANS.map(({ project }) => project), 'unattributed'];
/** The watch checks every 30 s. The rest is for a busy machine. */
const PATIENCE_MS = 150_000;
const CALL_EVERY_MS = 3_000;

export async function demonstrateLiveKit(services: Services, folder: string, serves: boolean): Promise<void> {
  const month = previousMonth(monthOf(new Date().toISOString()));
  const env = { ...demoEnvironment(services), ...bridgeSettings(folder) };
  const { TALLYMAN_PREFIX: prefix } = env;
  const [port, healthPort] = [await freePort(), await freePort()];
  const tallyman: Tallyman = (...words) => runCli(env, words);
  const store = await openStore({ url: readConfig(env).redisUrl, prefix });

  heading('Topics, cursors, projects');
  await tallyman('init');
  const projects = projectsFrom(month);
  await importProjects(tallyman, folder, projects);

  heading('The bridge and the consumers');
  const listening = { TALLYMAN_PORT: String(port), TALLYMAN_HEALTH_PORT: String(healthPort) };
  // It would warn of the forged webhook below.
  const bridge = startShown({ ...env, ...listening, LOG_LEVEL: 'error' }, 'bridge', 'livekit', '--watch');
  const consumers = startShown(env, 'consume');
  let isConsuming = true;
  try {
    const url = `http://127.0.0.1:${port}/livekit/webhooks`;
    const metric = (name: string): Promise<number> => readMetric(healthPort, name);
    await until('the bridge listens', () => metric('process_start_time_seconds'));

    heading(`The stories of ${RECORDED_MONTH}, moved to ${month}`);
    const stories = readStories();
    const movedSeconds = (Date.parse(`${month}-01`) - Date.parse(`${RECORDED_MONTH}-01`)) / 1000;
    await tellAll(url, stories, movedSeconds);
    const forged = await post(url, stories[0]!.bodies[0]!, 'a guessed secret');
    printLine(`  one more with another signature: answered ${forged}`);

    heading('The totals fill');
    const oracle = oracleOfStories(movedSeconds);
    const expected = oracleTotals(oracle);
    const readNow = (): Promise<Record<string, string>> => readAllTotals(store, PROJECTS, [month]);
    await until('the totals are as expected', async () => same(await readNow(), expected));
    await tallyman('totals', 'acme', '--month', month);

    heading('Two servers were stopped in the middle of a call: the watch ends the open sessions');
    printLine('  (it checks every 30 s)');
    const endless = sessionsWithoutEnd(stories);
    const limit = 'tallyman_livekit_sessions_ended_total{by="limit"}';
    await until('the watch has ended them', async () => (await metric(limit)) >= endless.length);
    printLine(`  ended: ${endless.join(', ')}`);

    heading(`Close ${month}`);
    await tallyman('close', month, '--grace', '0s');
    await consumers.stop();
    isConsuming = false;

    heading('Invoices');
    await tallyman('invoices', 'list');
    await tallyman('invoices', 'show', `globex-${month}`);
    heading('The independent list of the usage in the webhooks');
    await agreeWithOracle(oracle, await readNow(), projects, [month], tallyman);
    agree(
      'answers to a forged webhook, and sessions without an end',
      { forged, ended: await metric(limit) },
      { forged: 401, ended: endless.length },
    );

    await showPage(serves, ['--livekit'], {
      ...{ env, projects: PROJECTS },
      goesOn: (isStopped) => callOn(url, stories, isStopped),
    });
  } finally {
    await Promise.all([bridge.stop(), isConsuming ? consumers.stop() : undefined]);
    await store.close();
  }
}

function bridgeSettings(folder: string): Record<string, string> {
  const [mapping, spool] = [join(folder, 'mapping.json'), join(folder, 'spool')];
  writeFileSync(mapping, JSON.stringify({ source: RECORDED_SOURCE, rooms: ROOMS }));
  mkdirSync(spool);
  return {
    LIVEKIT_API_KEY: RECORDED_KEY,
    LIVEKIT_API_SECRET: RECORDED_SECRET,
    TALLYMAN_LIVEKIT_MAPPING: mapping,
    TALLYMAN_SPOOL: spool,
  };
}

function startShown(env: NodeJS.ProcessEnv, ...words: string[]): ReturnType<typeof startVerb> {
  printLine(`  $ tallyman ${words.join(' ')} &`);
  return startVerb(env, words);
}

/** What an independent program makes of the same webhooks. */
function oracleOfStories(movedSeconds: number): Oracle {
  const oracle = createOracle();
  for (const event of expectedEvents(movedSeconds, ROOMS)) {
    const { type, subject } = event;
    const value = Buffer.from(JSON.stringify(event));
    oracle.add({ topic: type.replace('.v1', ''), key: subject, value, timestampMs: Date.now() });
  }
  return oracle;
}

/** Posts a room's webhooks one after the other, and the rooms in parallel, as LiveKit does. */
async function tellAll(url: string, stories: readonly Story[], movedSeconds: number): Promise<void> {
  const startedAt = performance.now();
  const told = stories.map(async ({ name, bodies }) => {
    for (const body of bodies) {
      const status = await post(url, movedBy(body, movedSeconds), RECORDED_SECRET);
      if (status !== 200) throw new Error(`a webhook of ${name} was answered ${status}`);
    }
  });
  await Promise.all(told);
  const count = stories.reduce((sum, { bodies }) => sum + bodies.length, 0);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  printLine(
    `  ${count} webhooks of ${stories.length} stories, each signed and answered 200, in ${seconds} s`,
  );
}

/**
 * Posts a webhook, signed as LiveKit signs: a bare token whose `sha256` is that of the body's
 * bytes.
 */
async function post(url: string, body: string, secret: string): Promise<number> {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const nbf = Math.floor(Date.now() / 1000);
  const sha256 = createHash('sha256').update(body).digest('base64');
  const claims = { iss: RECORDED_KEY, nbf, exp: nbf + 300, sha256 };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  const authorization = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  const headers = { authorization, 'content-type': 'application/webhook+json' };
  return (await fetch(url, { method: 'POST', headers, body })).status;
}

/** A metric of the bridge; 0 as long as it is not set, or the bridge does not answer. */
async function readMetric(port: number, name: string): Promise<number> {
  try {
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const line = page.split('\n').find((one) => one.startsWith(`${name} `));
    return Number(line?.slice(name.length) ?? 0);
  } catch {
    return 0;
  }
}

async function until(what: string, holds: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) {
      printLine(`  not within ${PATIENCE_MS / 1000} s: ${what}`);
      return;
    }
    await pause(100);
  }
}

const same = (a: object, b: object): boolean =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());

/** The documents of the projects. Phone numbers are rented from the middle of the month on. */
function projectsFrom(month: string) {
  return PLANS.map(({ project, plan, rented }) => ({
    project,
    plans: [{ plan, from: `${month}-01` }],
    ...(rented && { profile: { phoneNumbers: [{ from: `${month}-15`, ...rented }] } }),
  }));
}

/** Plays the stories again as if their calls ended now, each time with new ids. */
async function callOn(url: string, stories: readonly Story[], isStopped: () => boolean): Promise<void> {
  for (let round = 1; !isStopped(); round += 1) {
    const story = stories[round % stories.length]!;
    const nowSeconds = Math.floor(Date.now() / 1000);
    for (const body of story.bodies) {
      const again = movedBy(body, nowSeconds - story.lastSeconds).replace(
        /\b(?:PA|RM|EV|EG|IN|IR|TR)_[A-Za-z0-9]+/g,
        (id) => `${id}x${round}`,
      );
      await post(url, again, RECORDED_SECRET);
    }
    await pause(CALL_EVERY_MS);
  }
}
