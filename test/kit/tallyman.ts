import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { needTestProgram } from './servers/need-program';
import { testBrokers, testRedisUrl, uniquePrefix } from './services';

/** The command line as it is shipped: built, in processes of its own. */
export const CLI = join(__dirname, '../../dist/src/cli/tallyman.js');

export interface Answer {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An installation of its own, on this run's Kafka and Redis unless others are given. */
export interface Installation {
  readonly prefix: string;
  readonly env: NodeJS.ProcessEnv;
  /** Runs a verb to its end, whatever that is. */
  run(words: readonly string[], input?: string): Promise<Answer>;
  /** Runs a verb that must succeed; returns its stdout. */
  ok(...words: string[]): Promise<string>;
  /** Runs a reading verb with --json. */
  json<T>(...words: string[]): Promise<T>;
  /** Starts a verb that runs on. The caller ends it. */
  start(...words: string[]): ChildProcess;
}

export function installation(more: NodeJS.ProcessEnv = {}): Installation {
  const prefix = more['TALLYMAN_PREFIX'] ?? uniquePrefix();
  const env = {
    PATH: process.env['PATH'],
    KAFKA_BROKERS: more['KAFKA_BROKERS'] ?? testBrokers().join(','),
    REDIS_URL: more['REDIS_URL'] ?? testRedisUrl(),
    LOG_LEVEL: 'warn',
    ...more,
    TALLYMAN_PREFIX: prefix,
  };
  const start = (...words: string[]): ChildProcess => spawn(process.execPath, [CLI, ...words], { env });
  const run = (words: readonly string[], input = ''): Promise<Answer> => {
    const child = start(...words);
    // A command that reads no input may have ended before this closes the pipe.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
  };
  const ok = async (...words: string[]): Promise<string> => {
    const answer = await run(words);
    if (answer.code !== 0) {
      throw new Error(
        `tallyman ${words.join(' ')} ended with ${answer.code}: ${answer.stderr}${answer.stdout}`,
      );
    }
    return answer.stdout;
  };
  return {
    prefix,
    env,
    run,
    ok,
    json: async <T>(...words: string[]) => JSON.parse(await ok(...words, '--json')) as T,
    start,
  };
}

/** kcat is the common command-line producer. */
export async function needKcat(): Promise<void> {
  await needTestProgram({ command: 'kcat', versionArgument: '-V', debianPackage: 'kcat' });
}

/** After `needKcat`. */
export function kcat(args: readonly string[], input: string | Buffer): void {
  execFileSync('kcat', ['-P', '-b', testBrokers().join(','), ...args], { input });
}
