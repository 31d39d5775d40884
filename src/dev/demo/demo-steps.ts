import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Invoice } from '../../billing/invoice/invoice';
import { groupDigits, printLine } from '../../cli/lib/output';
import { createWatchdog } from '../../lib/process/watchdog';
import { loadCatalog } from '../../installation/catalog-file';
import { centsDue, type PriceList, type RentedNumbers } from '../../oracle/invoice-oracle';
import type { Oracle } from '../../oracle/usage-oracle';
import type { Store } from '../../redis/store';
import { readTotals } from '../../redis/usage/read-usage';
import type { Services } from '../services/services';

/**
 * The common steps of the demos: running the command line in processes of its own, and comparing
 * with the oracle.
 */

const CLI = join(__dirname, '../../cli/tallyman.js');

/** Numbers by name, as decimal strings. */
export type Numbers = Record<string, string>;

/** An environment with a prefix of its own, so that a demo does not touch existing data. */
export function demoEnvironment(services: Services): NodeJS.ProcessEnv & { TALLYMAN_PREFIX: string } {
  return {
    PATH: process.env['PATH'] ?? '',
    KAFKA_BROKERS: services.brokers.join(','),
    REDIS_URL: services.redisUrl,
    TALLYMAN_PREFIX: `demo-${randomBytes(4).toString('hex')}`,
    LOG_LEVEL: 'warn',
  };
}

/**
 * Runs the command line as a process of its own, as operators do. Returns its stdout, and shows its
 * stderr.
 */
export function runCli(env: NodeJS.ProcessEnv, words: readonly string[]): Promise<string> {
  if (!words.includes('--json')) printLine(`  $ tallyman ${words.join(' ')}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...words], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const answer = Buffer.concat(chunks).toString('utf8');
      if (code !== 0) reject(new Error(`tallyman ${words.join(' ')} ended with ${code}`));
      else {
        if (!words.includes('--json')) process.stdout.write(answer.replace(/^(?=.)/gm, '    '));
        resolve(answer);
      }
    });
  });
}

/** Runs a verb to its end, and returns its stdout. */
export type Tallyman = (...words: string[]) => Promise<string>;

export interface DemoProject {
  readonly project: string;
  readonly plans: readonly { readonly plan: string }[];
  readonly profile?: { readonly phoneNumbers: readonly RentedNumbers[] };
}

export async function importProjects(
  tallyman: Tallyman,
  folder: string,
  projects: readonly DemoProject[],
): Promise<void> {
  const file = join(folder, 'projects.ndjson');
  await writeFile(file, projects.map((project) => JSON.stringify(project)).join('\n'));
  await tallyman('projects', 'import', file);
}

/** A verb that runs until it is stopped. */
export interface RunningVerb {
  /** Resolves when it ends, whether or not `stop` was called. */
  readonly ended: Promise<void>;
  /** Stops it, and waits until it has ended. */
  stop(): Promise<void>;
}

/** Starts a verb that runs until it is stopped, or until this process ends for whatever reason. */
export function startVerb(env: NodeJS.ProcessEnv, words: readonly string[]): RunningVerb {
  // In a process group of its own, so that this process forwards Ctrl-C, in the right order.
  const child = spawn(process.execPath, [CLI, ...words], {
    ...{ env, detached: true },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const watchdog = createWatchdog('read -r ended || kill -9 "$1"', [String(child.pid)]);
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => {
      watchdog.say('ended');
      watchdog.end();
      resolve();
    });
  });
  return {
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Every total of these projects in Redis. */
export async function readAllTotals(
  store: Store,
  projects: readonly string[],
  months: readonly string[],
): Promise<Numbers> {
  const all: Numbers = {};
  for (const project of projects) {
    for (const month of months) {
      for (const [meter, quantity] of await readTotals(store, project, month)) {
        all[`${project} ${month} ${meter}`] = String(quantity);
      }
    }
  }
  return all;
}

export function oracleTotals(oracle: Oracle): Numbers {
  const all: Numbers = {};
  for (const [project, months] of oracle.totals) {
    for (const [month, meters] of months) {
      for (const [meter, quantity] of meters) all[`${project} ${month} ${meter}`] = String(quantity);
    }
  }
  return all;
}

function oracleInvoices(
  oracle: Oracle,
  projects: readonly DemoProject[],
  months: readonly string[],
): Numbers {
  const prices = loadCatalog(undefined).document as unknown as PriceList;
  const due: Numbers = {};
  for (const { project, plans, profile } of projects) {
    for (const month of months) {
      const cents = String(
        centsDue(
          prices,
          plans[0]?.plan,
          month,
          oracle.totals.get(project) ?? new Map(),
          profile?.phoneNumbers,
        ),
      ).padStart(3, '0');
      if (cents !== '000') due[`${project}-${month}`] = `${cents.slice(0, -2)}.${cents.slice(-2)}`;
    }
  }
  return due;
}

/**
 * Compares totals, dead letters and invoices with what an oracle makes of the same input.
 *
 * @throws Error if any number differs
 */
export async function agreeWithOracle(
  oracle: Oracle,
  totals: Numbers,
  projects: readonly DemoProject[],
  months: readonly string[],
  tallyman: Tallyman,
): Promise<void> {
  const { invoices } = JSON.parse(await tallyman('invoices', 'list', '--json')) as {
    invoices: Pick<Invoice, 'id' | 'total'>[];
  };
  const { byReason } = JSON.parse(await tallyman('dead-letters', 'list', '--json')) as {
    byReason: Record<string, number>;
  };
  agree('totals', totals, oracleTotals(oracle));
  agree('dead letters', byReason, oracle.counts.deadLetters);
  const issued = Object.fromEntries(invoices.map(({ id, total }) => [id, total]));
  agree('invoices', issued, oracleInvoices(oracle, projects, months));
}

/**
 * Compares every number, and prints those that differ.
 *
 * @throws Error if any does
 */
export function agree(what: string, found: Record<string, unknown>, expected: Record<string, unknown>): void {
  const names = [...new Set([...Object.keys(found), ...Object.keys(expected)])];
  const different = names.filter((name) => String(found[name]) !== String(expected[name]));
  if (different.length === 0) {
    printLine(`  oracle agrees: ${what} (${groupDigits(names.length)} numbers)`);
    return;
  }
  for (const name of different.slice(0, 20))
    printLine(`  ${name}: found ${String(found[name])}, the oracle says ${String(expected[name])}`);
  throw new Error(`the oracle disagrees on ${different.length} of ${names.length} ${what}`);
}

export function heading(text: string): void {
  printLine();
  printLine(`== ${text}`);
}
