import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/** A shell that outlives this process just long enough to clean up after it. */
export interface Watchdog {
  /** Sends one line to the script. */
  say(line: string): void;
  /** Ends the script's input, as this process's death would. */
  end(): void;
}

/**
 * Runs a shell script with a pipe from this process as its input. The kernel closes the pipe
 * however this process dies (an exit, a signal, SIGKILL, out of memory), so the script sees the end
 * of its input and cleans up. No exit or signal handler can promise that much.
 *
 * @param script POSIX shell, reads lines until the end of its input; `args` are its `$1`, `$2`, ...
 */
export function createWatchdog(script: string, args: readonly string[]): Watchdog {
  const shell = spawn('/bin/sh', ['-c', script, 'watchdog', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // The shell has a session of its own, because Ctrl-C goes to the whole foreground group and
    // would end it too early.
    detached: true,
    cwd: '/',
  });
  // Neither the shell nor the pipe may keep this process alive, or end it if the shell is gone.
  shell.unref();
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  (shell.stdin as Socket).unref();
  return {
    say: (line) => void shell.stdin.write(`${line}\n`),
    end: () => void shell.stdin.end(),
  };
}
