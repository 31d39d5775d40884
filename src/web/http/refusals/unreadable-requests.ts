import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError } from 'fastify';
import { problemDocument, ProblemError } from '../problems';

/** Address and headers of a request together. Node's own limit, written down. */
export const HEAD_BYTES_MAX = 16 * 1024;
/** A request must have come whole within this time. */
export const REQUEST_TIMEOUT_MS = 15_000;
const SECOND_MS = 1_000;

/**
 * Answers a request that Node gave up reading with a problem document, and ends the connection.
 */
export function refuseUnreadable(error: ConnectionError, socket: Socket): void {
  const { _httpMessage: begun } = socket as { _httpMessage?: ServerResponse | null };
  if (error.code === 'ECONNRESET' || !socket.writable || begun?.headersSent) {
    socket.destroy();
    return;
  }
  const problem = problemDocument(problemOf(error));
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // If it were closed with unread bytes, the client would get a reset instead of the answer.
  socket.resume();
  setTimeout(() => socket.destroy(), SECOND_MS).unref();
}

function problemOf({ code }: ConnectionError): ProblemError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new ProblemError('HEADERS_TOO_LARGE', `Address and headers may have ${HEAD_BYTES_MAX} bytes.`);
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const seconds = REQUEST_TIMEOUT_MS / SECOND_MS;
    return new ProblemError('REQUEST_TIMEOUT', `The request was not complete after ${seconds} seconds.`);
  }
  return new ProblemError('BAD_REQUEST', 'This is not a valid HTTP request.');
}
