import type { FastifyReply } from 'fastify';
import { usageAnswer } from './answers';
import type { WebDependencies } from '../http/dependencies';
import { repeat, type Repetition } from '../../lib/process/poller';
import { readMonthView } from '../pages/month-view';
import { ProblemError } from '../http/problems';
import { holderOf, type Session } from '../http/tokens';

/** All watchers of projects' usage. One reader per project reads Redis, however many watch. */
export interface UsageStreams {
  /**
   * Calls `onUsage` with the document now and whenever it changes, and `onEnd` when the server
   * closes.
   *
   * @returns a function that stops watching; undefined if this holder, or all together, watch too
   *   many already
   */
  watch(project: string, watcher: Watcher): (() => void) | undefined;
  close(): void;
}

export interface Watcher {
  /** `holderOf` a session. */
  readonly holder: string;
  readonly onUsage: (json: string) => void;
  readonly onEnd: () => void;
}

const LOOK_EVERY_MS = 1_000;
const HEARTBEAT_MS = 15_000;
const WATCHERS_MAX = 1_000;
const WATCHERS_OF_ONE_MAX = 20;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

interface Watched {
  readonly watchers: Set<Watcher>;
  readonly looks: Repetition;
  /** The last document. */
  readonly json: () => string | undefined;
}

export function createUsageStreams(web: WebDependencies): UsageStreams {
  const watched = new Map<string, Watched>();

  const watchProject = (project: string): Watched => {
    const watchers = new Set<Watcher>();
    let json: string | undefined;
    let shown: string | undefined;
    const looks = repeat({
      everyMs: LOOK_EVERY_MS,
      async turn() {
        const month = web.calendar.monthOfMs(web.nowMs());
        const answer = usageAnswer(await readMonthView(web, project, month), web.logWatch.position());
        // The forecast and the time of the reading change every second. Neither is usage.
        const { behind } = answer.freshness;
        const meaning = JSON.stringify({ ...answer, freshness: behind, forecast: null });
        if (meaning === shown) return;
        shown = meaning;
        json = JSON.stringify(answer);
        for (const { onUsage } of watchers) onUsage(json);
      },
      // Redis may come back. The watchers keep the last numbers until then.
      onFailure: (error, isFirst) =>
        isFirst && web.logger.warn({ err: error, project }, 'cannot read a watched project'),
    });
    void looks.now();
    return { watchers, looks, json: () => json };
  };

  const mayWatch = (holder: string): boolean => {
    const all = [...watched.values()].flatMap(({ watchers }) => [...watchers]);
    const own = all.filter((watcher) => watcher.holder === holder);
    return all.length < WATCHERS_MAX && own.length < WATCHERS_OF_ONE_MAX;
  };

  return {
    watch(project, watcher) {
      if (!mayWatch(watcher.holder)) return undefined;
      const one = watched.get(project) ?? watchProject(project);
      watched.set(project, one);
      one.watchers.add(watcher);
      const json = one.json();
      if (json !== undefined) watcher.onUsage(json);
      return () => {
        one.watchers.delete(watcher);
        if (one.watchers.size > 0 || watched.get(project) !== one) return;
        void one.looks.stop();
        watched.delete(project);
      };
    },
    close() {
      const all = [...watched.values()];
      watched.clear();
      for (const { watchers, looks } of all) {
        void looks.stop();
        for (const { onEnd } of [...watchers]) onEnd();
      }
    },
  };
}

/**
 * Keeps a response open and sends the project's usage whenever it changes, until the token expires.
 */
export async function openUsageStream(
  streams: UsageStreams,
  reply: FastifyReply,
  project: string,
  session: Session,
): Promise<void> {
  let end: () => void = () => undefined;
  let unsent: string | undefined;
  const response = reply.raw;
  const send = (json: string): void => {
    // A slow reader skips outdated documents, because each document is complete.
    if (!response.headersSent || response.writableNeedDrain) unsent = json;
    else response.write(`event: usage\ndata: ${json}\n\n`);
  };
  const sendUnsent = (): void => {
    const json = unsent;
    unsent = undefined;
    if (json !== undefined) send(json);
  };
  const stopWatching = streams.watch(project, {
    holder: holderOf(session),
    onUsage: send,
    onEnd: () => end(),
  });
  if (stopWatching === undefined) {
    throw new ProblemError('RATE_LIMITED', 'Too many usage streams are open.', { 'retry-after': '30' });
  }
  const headers = reply.getHeaders() as Record<string, string>;
  reply.hijack();
  response.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no', // nginx would hold events back.
  });
  response.write('retry: 2000\n\n');
  response.on('drain', sendUnsent);
  sendUnsent();

  await new Promise<void>((resolve) => {
    const heartbeat = setInterval(() => response.write(': still here\n\n'), HEARTBEAT_MS);
    const expiry = setTimeout(() => end(), Math.min(session.expiresAtMs - Date.now(), LONGEST_TIMER_MS));
    end = () => {
      end = () => undefined;
      clearInterval(heartbeat);
      clearTimeout(expiry);
      stopWatching();
      response.end();
      resolve();
    };
    response.once('close', () => end());
  });
}
