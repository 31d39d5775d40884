import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { parseCopy } from '../lib/document';
import type { ErrorCode } from '../lib/error-codes';
import { TallymanError } from '../lib/errors';
import { renderInvoicePdf } from './invoice-pdf';

/** The thread of `pdf-renderer.ts`. */

export interface RenderRequest {
  readonly request: number;
  readonly document: string;
}

export interface Rendered {
  readonly request: number;
  readonly pdf?: Uint8Array;
  readonly error?: string;
  readonly code?: ErrorCode | undefined;
}

/** On Linux, 0 is the calling thread. Elsewhere it is the whole process. */
const OWN_THREAD = 0;
const LOW_PRIORITY = 10;
if (process.platform === 'linux' && (workerData as { readonly isPolite: boolean }).isPolite)
  setPriority(OWN_THREAD, LOW_PRIORITY);

const answer = (rendered: Rendered): void => parentPort?.postMessage(rendered);

parentPort?.on('message', ({ request, document }: RenderRequest) => {
  void Promise.resolve()
    .then(() => renderInvoicePdf(parseCopy('invoice.v1.json', document, 'the invoice')))
    .then(
      (pdf) => answer({ request, pdf }),
      (error: unknown) =>
        answer(
          error instanceof TallymanError
            ? { request, error: error.message, code: error.code }
            : { request, error: String(error) },
        ),
    );
});
