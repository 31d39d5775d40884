import { Command } from 'commander';
import { readConfig, type Config } from '../../../lib/config';
import { TallymanError } from '../../../lib/errors';
import type { Readiness } from '../../../lib/health-server';
import { printJson, printLine } from '../../lib/output';

const TIMEOUT_MS = 3_000;

export function verb(): Command {
  return new Command('healthcheck')
    .description('Check whether the process of this container works: exit code 0 if it does, 1 if not.')
    .option('--ready', 'check whether it is ready (/readyz), not only whether it works (/healthz)')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
It queries TALLYMAN_HEALTH_PORT, on which consume, serve, gateway, bridge, alerts watch, verify --follow and any verb
with --every answer.

Examples:
  tallyman healthcheck
  tallyman healthcheck --ready
  docker compose exec consume tallyman healthcheck --ready`,
    )
    .action(async ({ ready, json }: { ready?: true; json?: true }) => {
      const answer = await ask(readConfig(), ready ? '/readyz' : '/healthz');
      if (json) printJson(answer);
      else printLine(`${answer.url} answers ${answer.status}.`);
    });
}

interface Answer {
  readonly url: string;
  readonly status: number;
  readonly body: Partial<Readiness>;
}

/** @throws TallymanError `NOT_HEALTHY` unless the process answers with 200 */
async function ask({ health }: Config, path: string): Promise<Answer> {
  if (!health.port)
    throw new TallymanError(
      'BAD_CONFIG',
      'TALLYMAN_HEALTH_PORT is not set: set it to the port that the process was started with.',
    );
  const answer = await get(`http://${reachable(health.host)}:${health.port}${path}`);
  if (answer.status === 200) return answer;
  const problems = (answer.body.problems ?? []).map(
    ({ code, subject, detail }) => `${code} ${subject}: ${detail}`,
  );
  throw notHealthy(`${answer.url} answers ${answer.status}. ${problems.join('; ')}`.trimEnd(), answer.url);
}

async function get(url: string): Promise<Answer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const body = (await response.json().catch(() => ({}))) as Partial<Readiness>;
    return { url, status: response.status, body };
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED') throw notHealthy(`Nothing listens on ${new URL(url).host}.`, url);
    throw notHealthy(`${url} gave no answer: ${(error as Error).message}.`, url);
  }
}

const notHealthy = (message: string, url: string): TallymanError =>
  new TallymanError('NOT_HEALTHY', message, { url });

/** Where a process that listens on all addresses can be reached from its own machine. */
const reachable = (host: string): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
