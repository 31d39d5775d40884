import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../src/dev/services/free-port';
import type { Health } from '../../src/ingest/health/check-health';
import { eventually } from './eventually';
import { installation, type Installation } from './tallyman';

/** A running `consume` or `serve`, seen as its probes and its scraper see it. */
export interface Probed {
  readonly child: ChildProcess;
  /** What it has logged. */
  log(): string;
  /** Resolves when `/readyz` answers this status, with what it says. */
  becomes(status: 200 | 503, isRight?: (health: Health) => boolean): Promise<Health>;
  metrics(): Promise<string>;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  kill(): Promise<void>;
}

/** Starts a verb of the installation with these words and this environment on top. */
export async function startProbed(
  tallyman: Installation,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Probed> {
  const port = await freePort();
  const child = installation({
    ...tallyman.env,
    TALLYMAN_HEALTH_PORT: String(port),
    TALLYMAN_PORT: '0',
    TALLYMAN_AUTH_SECRET: '0'.repeat(32),
    LOG_LEVEL: 'info',
    ...env,
  }).start(...words);
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    log: () => log,
    ended,
    becomes: (status, isRight = () => true) =>
      eventually(
        async () => {
          const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
          const health = (await answer.json()) as Health;
          return answer.status === status && isRight(health) ? health : undefined;
        },
        { timeoutMs: 60_000, what: `readyz of ${words.join(' ')} answers ${status}` },
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${log.slice(-2_000)}`, { cause: error });
      }),
    metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
