import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DamagedIndexError, type WrittenRun } from './run-file';
import type { Answer } from './run-worker';
import type { RunRequest } from './write-run';

interface Waiting {
  resolve(run: WrittenRun | undefined): void;
  reject(error: Error): void;
}

/**
 * Writes and merges runs on a thread of its own, one after the other. The indexes of a process
 * share one, so that they take at most one core.
 */
export class RunThread {
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private requests = 0;

  /** @param file the program of the thread */
  constructor(private readonly file = join(__dirname, `run-worker${extname(__filename)}`)) {}

  /**
   * @returns undefined if it gave up, because the request said so
   * @throws as `writeRun` does
   */
  write(request: RunRequest): Promise<WrittenRun | undefined> {
    return new Promise((resolve, reject) => {
      this.worker ??= this.start();
      this.worker.ref();
      this.requests += 1;
      this.waiting.set(this.requests, { resolve, reject });
      this.worker.postMessage({ number: this.requests, request }, [request.halves.buffer as ArrayBuffer]);
    });
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(this.file);
    worker.on('message', (answer: Answer) => this.settle(answer));
    // It exits after an error. Who waits for it must not wait for ever.
    worker.on('error', (error) => this.end(worker, error));
    worker.on('exit', () => this.end(worker, new Error('the thread that writes runs has ended')));
    return worker;
  }

  private settle({ number, run, failure }: Answer): void {
    const one = this.waiting.get(number);
    this.waiting.delete(number);
    if (this.waiting.size === 0) this.worker?.unref(); // The process may end.
    if (!failure) return one?.resolve(run);
    const { message, code, isDamaged } = failure;
    one?.reject(isDamaged ? new DamagedIndexError(message) : Object.assign(new Error(message), { code }));
  }

  private end(worker: Worker, error: Error): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    for (const one of this.waiting.values()) one.reject(error);
    this.waiting.clear();
  }
}
