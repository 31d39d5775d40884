import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/dev/services/free-port';
import { startServices } from '../../src/dev/services/services';
import { eventually } from '../kit/eventually';

/**
 * npm run test:api
 *
 * Sends what the OpenAPI document allows and forbids to a running server, and checks every answer
 * against the document. The requests come from schemathesis, which is installed into a Python
 * environment in `node_modules/.cache` at the first run. Without Python it says so, and exits with
 * 0: set `TALLYMAN_NEED_PYTHON=1` to make that a failure.
 */
const SCHEMATHESIS = 'schemathesis==4.32.5';
const CACHE = join(__dirname, '../../node_modules/.cache/schemathesis-4.32.5');
const CLI = join(__dirname, '../../dist/src/cli/tallyman.js');
/** The same requests in each run. */
const SEED = '20261128';
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  if (!hasPython()) {
    say('test:api: not run, because python3 with venv is not here');
    process.exitCode = process.env['TALLYMAN_NEED_PYTHON'] === '1' ? 1 : 0;
    return;
  }
  const program = schemathesis();
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-api-'));
  const services = await startServices({ log: say, docker: 'compose' });
  let server: ChildProcess | undefined;
  try {
    const port = await freePort();
    const healthPort = await freePort();
    const env = {
      ...process.env,
      KAFKA_BROKERS: services.brokers.join(','),
      REDIS_URL: services.redisUrl,
      TALLYMAN_PREFIX: `api${randomBytes(4).toString('hex')}`,
      TALLYMAN_AUTH_SECRET: randomBytes(32).toString('hex'),
      TALLYMAN_PORT: String(port),
      TALLYMAN_HEALTH_PORT: String(healthPort),
      LOG_LEVEL: 'error',
    };
    const month = prepare(env);
    server = spawn(process.execPath, [CLI, 'serve'], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    await eventually(async () => (await fetch(`http://127.0.0.1:${healthPort}/readyz`)).ok, {
      timeoutMs: 60_000,
    });
    process.exitCode = check(program, folder, `http://127.0.0.1:${port}`, month, env);
  } finally {
    await ended(server);
    await services.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const hasPython = (): boolean => spawnSync('python3', ['-c', 'import venv, ensurepip']).status === 0;

/** The installed program. */
function schemathesis(): string {
  const program = join(CACHE, 'bin/schemathesis');
  if (existsSync(program)) return program;
  say(`installing ${SCHEMATHESIS}`);
  rmSync(CACHE, { recursive: true, force: true });
  execFileSync('python3', ['-m', 'venv', CACHE]);
  execFileSync(join(CACHE, 'bin/pip'), ['install', '--quiet', SCHEMATHESIS], { stdio: 'inherit' });
  return program;
}

/** A project with usage and an invoice. @returns its closed month */
function prepare(env: NodeJS.ProcessEnv): string {
  const now = new Date();
  const end = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1);
  const month = new Date(end - 1).toISOString().slice(0, 7);
  const run = (words: readonly string[], input = ''): void =>
    void execFileSync(process.execPath, [CLI, ...words], {
      env,
      input,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
  run(['init', '--partitions', '2', '--timestamps', 'create']);
  run(['projects', 'set', 'acme', '--plan', 'ship', '--from', `${month}-01`, '--budget', '20.00']);
  const events = [`${month}-15T12:00:00Z`, now.toISOString()].map((time, i) =>
    JSON.stringify({
      ...{
        specversion: '1.0',
        id: `e${i}`,
        source: '/test',
        type: 'usage.session.v1',
        subject: 'acme',
        time,
      },
      data: { service: 'webrtc', durationMs: 60_000 },
    }),
  );
  run(['publish', '-'], events.join('\n'));
  run(['consume', '--until-caught-up']);
  run(['alerts', 'watch', '--once']);
  run(['close', month, '--grace', '0s']);
  return month;
}

function check(
  program: string,
  folder: string,
  origin: string,
  month: string,
  env: NodeJS.ProcessEnv,
): number {
  const settings = [
    // Names that exist, so that answers have content.
    '[parameters]',
    ...['"path.project" = "acme"', `"path.id" = "acme-${month}"`],
    // No schema can say that a month has begun, or that a cursor belongs to its filters.
    '[checks]',
    'positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 415, 429, "5xx"]',
  ];
  const config = join(folder, 'schemathesis.toml');
  writeFileSync(config, `${settings.join('\n')}\n`);
  const words = [
    ...['--config-file', config, 'run', `${origin}/openapi.json`],
    ...['--seed', SEED, '--max-examples', '25', '--workers', '1', '--phases', 'examples,coverage,fuzzing'],
    // It never ends.
    ...['--exclude-operation-id', 'streamUsage'],
    ...['--continue-on-failure', '--generation-database', 'none', '--warnings', 'off'],
  ];
  const hooks = { SCHEMATHESIS_HOOKS: 'tokens', PYTHONPATH: __dirname, PYTHONDONTWRITEBYTECODE: '1' };
  return spawnSync(program, words, { env: { ...env, ...hooks }, stdio: 'inherit', cwd: folder }).status ?? 1;
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  await closed;
}

void main();
