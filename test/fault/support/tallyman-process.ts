import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Installation } from '../../kit/tallyman';

/** A running `tallyman`, to be killed, paused and stopped. */
export interface TallymanProcess {
  readonly pid: number;
  /** Undefined while it runs. */
  readonly end: ProcessEnd | undefined;
  /** SIGKILL, and gone. */
  kill(): Promise<void>;
  /** SIGSTOP: it does nothing, and does not know it. */
  pause(): void;
  resume(): void;
  /** SIGTERM: an orderly end. */
  stop(): Promise<ProcessEnd>;
  ended(): Promise<ProcessEnd>;
  /** What it said on stderr so far: its log. */
  said(): string;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function startTallyman(installation: Installation, words: readonly string[]): TallymanProcess {
  const child: ChildProcess = installation.start(...words);
  let stdout = '';
  let stderr = '';
  let end: ProcessEnd | undefined;
  child.stdin?.end();
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]: (number | NodeJS.Signals | null)[]) => {
    end = { code: code as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr };
    return end;
  });
  return {
    pid: child.pid ?? 0,
    get end() {
      return end;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: () => {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      return ended;
    },
    ended: () => ended,
    said: () => stderr,
  };
}
