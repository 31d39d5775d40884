import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TallymanError } from '../../lib/errors';
import type { NativeService } from './service';
import { pause } from '../../lib/process/poller';
import { createWatchdog } from '../../lib/process/watchdog';

/** How to run a server as a process. */
export interface NativeSpec {
  /** For messages: `Kafka`, `Redis`. */
  readonly name: string;
  readonly origin: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Contains all files of this server. It is removed at `stop`. */
  readonly folder: string;
  readonly dataDir: string;
  readonly port: number;
  /** Checks whether the server is ready; false while it does not answer yet. */
  readonly isReady: () => Promise<boolean>;
  readonly readyTimeoutMs: number;
}

const ASK_INTERVAL_MS = 25;
const LOG_TAIL_LINES = 20;

/**
 * Remembers the last line of its input, which is the pid to kill (an empty line: none). The folder
 * is removed twice, because a killed server may still create a file during the first time.
 */
const CLEAN_UP = `
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then kill -9 "$pid"; rm -rf -- "$1"; sleep 1; fi
rm -rf -- "$1"`;

/**
 * Starts a server and waits until it answers.
 *
 * @throws TallymanError `SERVICE_NOT_STARTED` with the end of the server's log; nothing is left
 *   behind then
 */
export async function startNative(spec: NativeSpec): Promise<NativeService> {
  const logPath = join(spec.folder, 'server.log');
  const watchdog = createWatchdog(CLEAN_UP, [spec.folder]);
  let child: ChildProcess;
  let exited: Promise<void>;
  let isDown = true;

  const launch = async (): Promise<void> => {
    const log = openSync(logPath, 'a');
    // Detached for the same reason as the watchdog: at Ctrl-C, the caller must finish its work
    // before its servers stop.
    child = spawn(spec.command, spec.args, { cwd: spec.folder, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    isDown = false;
    exited = new Promise((resolve) => {
      const onGone = (): void => {
        isDown = true;
        watchdog.say('');
        resolve();
      };
      child.once('exit', onGone);
      child.once('error', onGone);
    });
    watchdog.say(String(child.pid ?? ''));

    await untilReady(spec, logPath, () => isDown);
  };

  const kill = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (isDown) return;
    child.kill(signal);
    // A paused process reacts only to SIGKILL until it is resumed.
    child.kill('SIGCONT');
    await exited;
  };

  const stop = async (): Promise<void> => {
    await kill('SIGKILL');
    await rm(spec.folder, { recursive: true, force: true, maxRetries: 3 });
    watchdog.end();
  };

  try {
    await launch();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    origin: spec.origin,
    address: `127.0.0.1:${spec.port}`,
    port: spec.port,
    dataDir: spec.dataDir,
    get pid() {
      return child.pid ?? 0;
    },
    kill,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    restart: async () => {
      await kill('SIGTERM');
      await launch();
    },
    stop,
  };
}

async function untilReady(spec: NativeSpec, logPath: string, isDown: () => boolean): Promise<void> {
  const deadline = performance.now() + spec.readyTimeoutMs;
  while (!(await spec.isReady())) {
    if (isDown()) throw await failure(spec, logPath, 'ended while it was starting');
    if (performance.now() > deadline)
      throw await failure(spec, logPath, `did not answer in ${spec.readyTimeoutMs} ms`);
    await pause(ASK_INTERVAL_MS);
  }
}

async function failure(spec: NativeSpec, logPath: string, what: string): Promise<TallymanError> {
  const lines = (await readFile(logPath, 'utf8').catch(() => ''))
    .trimEnd()
    .split('\n')
    .slice(-LOG_TAIL_LINES);
  return new TallymanError(
    'SERVICE_NOT_STARTED',
    `${spec.name} (${spec.command}, port ${spec.port}) ${what}. The end of its log:\n${lines.join('\n')}`,
    { name: spec.name, port: spec.port },
  );
}
