import { parentPort } from 'node:worker_threads';
import { DamagedIndexError, type WrittenRun } from './run-file';
import { writeRun, type RunRequest } from './write-run';

/** The thread of `run-thread.ts`. */

export interface Answer {
  readonly number: number;
  /** Undefined if it gave up, or failed. */
  readonly run?: WrittenRun | undefined;
  readonly failure?: { readonly message: string; readonly code?: string; readonly isDamaged: boolean };
}

parentPort?.on('message', ({ number, request }: { number: number; request: RunRequest }) => {
  let answer: Answer;
  try {
    answer = { number, run: writeRun(request) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    answer = {
      number,
      failure: { message, ...(code && { code }), isDamaged: error instanceof DamagedIndexError },
    };
  }
  const kept = answer.run ? [answer.run.firsts, answer.run.words] : [];
  parentPort?.postMessage(
    answer,
    kept.map(({ buffer }) => buffer as ArrayBuffer),
  );
});
