import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { constants, createGzip, type Gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '../http/problems';
import type { Session } from '../http/tokens';
import { pause, repeat } from '../../lib/process/poller';

/** One reader's stream of server-sent events. */
export interface EventStream {
  /**
   * Sends the event that `write` returns, as soon as the reader has taken what came before. An
   * event that is not sent by then gives way to the next one.
   */
  offer(write: () => string): void;
  end(): void;
}

const HEARTBEAT_MS = 15_000;
/** A stream ends this soon after its session. */
const SESSION_EVERY_MS = 5_000;
/** 48 KiB per stream instead of 256: events are small, and repeat what came before. */
const GZIP = { windowBits: 13, memLevel: 5, level: 6 };

export function eventText(event: string, data: object | string, id?: string): string {
  const json = typeof data === 'string' ? data : JSON.stringify(data);
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`;
}

/**
 * Keeps a response open until its token expires, the reader leaves or the server closes.
 *
 * @param start begins to offer events, and returns a function that stops it; undefined if too many
 *   streams are open
 * @throws ProblemError 429
 */
export async function openEventStream(
  request: FastifyRequest,
  reply: FastifyReply,
  session: Session,
  start: (stream: EventStream) => (() => void) | undefined,
): Promise<void> {
  let end: () => void = () => undefined;
  let send: (text: string) => void = () => undefined;
  let isFree = (): boolean => false;
  let waiting: (() => string) | undefined;
  const sendWaiting = (): void => {
    if (waiting === undefined || !isFree()) return;
    const text = waiting();
    waiting = undefined;
    if (text !== '') send(text);
  };
  const stop = start({
    offer(write) {
      waiting = write;
      sendWaiting();
    },
    end: () => end(),
  });
  if (stop === undefined) {
    throw new ProblemError('RATE_LIMITED', 'Too many usage streams are open.', { 'retry-after': '30' });
  }
  request.endTurn();
  const { response, out, packer } = openResponse(request, reply);
  isFree = () => !out.writableNeedDrain;
  send = (text) => {
    out.write(text);
    packer?.flush(constants.Z_SYNC_FLUSH);
  };
  out.on('drain', sendWaiting);
  send('retry: 2000\n\n');
  sendWaiting();

  await new Promise<void>((resolve) => {
    const onFailure = (): void => end();
    const heartbeats = repeat({
      ...{ everyMs: HEARTBEAT_MS, onFailure },
      turn: () => send(': still here\n\n'),
    });
    const checks = repeat({
      ...{ everyMs: SESSION_EVERY_MS, onFailure },
      turn: async () => (await request.isStillGood()) || end(),
    });
    const ended = new AbortController();
    void pause(session.expiresAtMs - Date.now(), ended.signal).then(() => end());
    end = () => {
      end = () => undefined;
      // What is still being written for this reader comes too late.
      isFree = () => false;
      void heartbeats.stop();
      void checks.stop();
      ended.abort();
      stop();
      out.end();
      resolve();
    };
    response.once('close', () => end());
    // The reader may have left while the request was checked. It would keep its place until its
    // token expires.
    if (response.destroyed) end();
  });
}

/** Begins the answer. What is written to `out` is packed if the reader takes gzip. */
function openResponse(
  request: FastifyRequest,
  reply: FastifyReply,
): { response: ServerResponse; out: Writable; packer: Gzip | undefined } {
  const headers = reply.getHeaders() as Record<string, string>;
  reply.hijack();
  const response = reply.raw;
  const isPacked = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  response.writeHead(200, {
    ...headers,
    ...(isPacked && { 'content-encoding': 'gzip' }),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no', // nginx would hold events back.
  });
  const packer = isPacked ? createGzip(GZIP) : undefined;
  packer?.pipe(response);
  return { response, out: packer ?? response, packer };
}
