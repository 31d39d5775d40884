import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { TallymanError } from '../lib/errors';
import type { Rendered, RenderRequest } from './render-worker';

/** Renders invoices on a thread of its own, so that a server answers everybody else meanwhile. */
export interface PdfRenderer {
  /**
   * Renders an invoice's document. The same document is rendered once, as long as it is remembered.
   *
   * @returns undefined if too many invoices are waiting
   */
  render(document: string): Promise<Buffer> | undefined;
  close(): Promise<void>;
}

interface Waiting {
  resolve(pdf: Buffer): void;
  reject(error: Error): void;
}

const WAITING_MAX = 100;
/** Some 50 KiB each. */
const REMEMBERED_MAX = 100;

/** @param isPolite lets other threads of the machine go first, where the system can do that */
export function createPdfRenderer({ isPolite = false } = {}): PdfRenderer {
  const remembered = new Map<string, Promise<Buffer>>();
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let requests = 0;

  const settle = ({ request, pdf, error = '', code }: Rendered): void => {
    const one = waiting.get(request);
    waiting.delete(request);
    if (pdf === undefined) one?.reject(code ? new TallymanError(code, error) : new Error(error));
    else one?.resolve(Buffer.from(pdf.buffer, pdf.byteOffset, pdf.byteLength));
  };
  const startWorker = (): Worker => {
    const started = new Worker(join(__dirname, 'render-worker.js'), { workerData: { isPolite } });
    started.on('message', settle);
    // It exits after an error. What waited fails, and the next invoice starts another worker.
    started.on('error', () => undefined);
    started.on('exit', () => {
      worker = undefined;
      for (const request of [...waiting.keys()]) settle({ request, error: 'The PDF worker has ended.' });
    });
    return started;
  };
  const renderNew = (document: string): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      worker ??= startWorker(); // May throw, if this machine has no thread left.
      requests += 1;
      waiting.set(requests, { resolve, reject });
      worker.postMessage({ request: requests, document } satisfies RenderRequest);
    });

  return {
    render(document) {
      const known = remembered.get(document);
      if (known === undefined && waiting.size >= WAITING_MAX) return undefined;
      const pdf = known ?? renderNew(document);
      pdf.catch(() => remembered.delete(document));
      remembered.delete(document);
      remembered.set(document, pdf);
      const [oldest] = remembered.keys();
      if (remembered.size > REMEMBERED_MAX) remembered.delete(oldest!);
      return pdf;
    },
    close: async () => void (await worker?.terminate()),
  };
}
