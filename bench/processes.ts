import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A clock tick of /proc/<pid>/stat: 100 a second on every Linux that Node is built for. */
const TICK_MS = 10;

/**
 * CPU time of a process, user and system, its ended children included (Redis rewrites its
 * append-only file in one).
 */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The program's name stands in parentheses and may hold blanks: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * TICK_MS;
}

/** The most memory that a process ever held resident. */
export function peakBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** A program of the build, run as a process of its own. */
export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Rejects when it ends with anything but 0, or by a signal that was not sent by `stop`. */
  readonly ended: Promise<void>;
  /** Asks it to end in order, and waits. */
  stop(): Promise<void>;
}

/** @param script relative to the build's folder, e.g. `bench/engines/raw.js` */
export function startChild(
  script: string,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  onMessage?: (message: unknown) => void,
): Child {
  const child = startProgram(
    process.execPath,
    [...nodeFlags(), join(__dirname, '..', script), ...words],
    env,
  );
  if (onMessage) child.process.on('message', onMessage);
  return child;
}

export function startProgram(
  command: string,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Child {
  const child = spawn(command, words, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let isStopping = false;
  // A server ends with the benchmark by its watchdog; a consumer would wait for servers that do not
  // come back.
  const killNow = (): void => void child.kill('SIGKILL');
  process.on('exit', killNow);
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('exit', killNow);
      if (code === 0 || isStopping) resolve();
      else reject(new Error(`${command} ${words.join(' ')} ended with ${code ?? signal}`));
    });
  });
  ended.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    process: child,
    ended,
    async stop() {
      isStopping = true;
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** A program of the build, from its start to its end. */
export interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMemoryMb: number;
}

export async function runProgram(
  script: string,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Run> {
  const startedAt = performance.now();
  const child = startChild(script, words, env);
  let cpu = 0;
  let peak = 0;
  const watch = setInterval(() => {
    try {
      cpu = cpuMs(child.pid);
      peak = Math.max(peak, peakBytes(child.pid)); // 0 of one that has just ended.
    } catch {
      // It has just ended.
    }
  }, 20);
  await child.ended.finally(() => clearInterval(watch));
  return {
    seconds: (performance.now() - startedAt) / 1000,
    cpuSeconds: cpu / 1000,
    peakMemoryMb: peak / 1e6,
  };
}

/** `BENCH_NODE_FLAGS="--cpu-prof --cpu-prof-dir=/tmp/profiles"` profiles every child. */
function nodeFlags(): string[] {
  return (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');
}

/** Asks again and again until the answer is yes. */
export async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await delay(20);
}
