import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunThread } from '../../../src/dedup/run-thread';

/** In memory if possible, because an index waits for its disk after each of many small files. */
const ROOT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A directory that is removed when the tests of a file have ended. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(ROOT, 'tallyman-dedup-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A thread that writes runs, which ends with the tests of a file. */
export function newThread(): RunThread {
  const thread = new RunThread(join(__dirname, 'run-worker.js'));
  afterAll(() => thread.close());
  return thread;
}
