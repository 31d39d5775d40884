import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { printLine } from '../cli/lib/output';
import { signalled } from '../lib/process/stop-signal';
import { freePort } from './services/free-port';
import { topicName } from '../kafka/topics/topics';
import type { Publisher } from '../kafka/producer';
import { createTokens } from '../web/http/tokens';
import { createRandom, zipf } from '../oracle/random';
import { draftEvent } from '../oracle/usage-draft';
import { createWorkload, takeByTopic } from '../oracle/workload';
import { writeRecord } from '../oracle/write-record';
import { monthOf } from '../rating/month';

const CLI = join(__dirname, '../cli/tallyman.js');
const DAY_MS = 86_400_000;
/** The current month so far, at once; then some events every second. */
const EVENTS_SO_FAR = 20_000;
const EVENTS_EACH_SECOND = 25;
const SEED = 20_262;
const TOPICS = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'] as const;

export interface DemoPage {
  readonly env: NodeJS.ProcessEnv;
  readonly prefix: string;
  readonly publisher: Publisher;
  readonly projects: readonly string[];
}

/** Serves the page over the demo's installation, with usage that goes on, until Ctrl-C. */
export async function serveDemo({ env, prefix, publisher, projects }: DemoPage): Promise<void> {
  const secret = randomBytes(32).toString('hex');
  const port = await freePort();
  const served = { ...env, TALLYMAN_AUTH_SECRET: secret, TALLYMAN_PORT: String(port) };
  const stop = signalled();
  const children = ['consume', 'serve'].map((verb) =>
    // In a group of its own, so that Ctrl-C reaches it through us, after we have stopped publishing.
    spawn(process.execPath, [CLI, verb], {
      env: served,
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    }),
  );
  const ended = Promise.race(children.map(untilEnded));
  try {
    const tokens = createTokens(secret);
    const expiresAtMs = Date.now() + DAY_MS;
    const link = (token: string): string => `http://127.0.0.1:${port}/login?token=${token}`;
    printLine(`  as the admin of ${projects.slice(0, 3).join(', ')}:`);
    const roles = Object.fromEntries(projects.slice(0, 3).map((project) => [project, 'admin' as const]));
    printLine(`    ${link(tokens.sign({ subject: 'demo admin', projects: roles, expiresAtMs }))}`);
    printLine('  as the one who runs the installation:');
    printLine(`    ${link(tokens.sign({ subject: 'demo ops', role: 'ops', expiresAtMs }))}`);
    printLine('  Usage goes on. Ctrl-C ends it.');
    await Promise.race([trickle(publisher, prefix, projects, () => stop.stopped()), stop.promise, ended]);
  } finally {
    const all = Promise.all(children.map(untilEnded));
    for (const child of children) child.kill('SIGTERM');
    await all;
    stop.dispose();
  }
}

function untilEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('close', () => resolve()));
}

/** Publishes a workload of this month up to now, and then some events every second, as they would come. */
async function trickle(
  publisher: Publisher,
  prefix: string,
  projects: readonly string[],
  isStopped: () => boolean,
): Promise<void> {
  const month = monthOf(new Date().toISOString());
  const [startMs, endMs] = [0, 1].map((more) =>
    Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)) - 1 + more),
  );
  // A workload advances evenly through its month: of a whole one's events, as many as the share of it that is over.
  const events = Math.ceil((EVENTS_SO_FAR * (endMs! - startMs!)) / (Date.now() - startMs!));
  const soFar = createWorkload({ seed: SEED, month, events, projects, monthBefore: 0 });
  for (const [topic, records] of takeByTopic(soFar, EVENTS_SO_FAR)) {
    await publisher.publish(topicName(prefix, topic), records);
  }
  const random = createRandom(SEED);
  const pickProject = zipf(random, projects);
  for (let number = 0; !isStopped();) {
    for (let i = 0; i < EVENTS_EACH_SECOND; i += 1, number += 1) {
      const nowMs = Date.now();
      const draft = draftEvent(random, random.pick(TOPICS), `live-${number}`, pickProject(), nowMs);
      await publisher.publish(topicName(prefix, draft.topic), [writeRecord(random, draft, nowMs)]);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
