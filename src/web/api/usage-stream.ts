import type { FastifyReply } from 'fastify';
import { usageAnswer } from './answers';
import type { WebDependencies } from '../http/dependencies';
import { readMonthView } from '../pages/month-view';
import { ProblemError } from '../http/problems';
import type { Session } from '../http/tokens';

/** All watchers of projects' usage. One reader per project reads Redis, however many watch. */
export interface UsageStreams {
  /**
   * Calls `onUsage` with the document now and whenever it changes, and `onEnd` when the server
   * closes.
   *
   * @returns a function that stops watching; undefined if this subject, or all together, watch too
   *   many already
   */
  watch(project: string, watcher: Watcher): (() => void) | undefined;
  close(): void;
}

export interface Watcher {
  readonly subject: string;
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
  /** The last document, and the part of it that is compared. */
  json: string | undefined;
  meaning: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

export function createUsageStreams(web: WebDependencies): UsageStreams {
  const watched = new Map<string, Watched>();

  const look = async (project: string, one: Watched): Promise<void> => {
    try {
      const month = web.calendar.monthOfMs(web.nowMs());
      const answer = usageAnswer(await readMonthView(web, project, month), web.logWatch.position());
      // The forecast and the time of the reading change every second. Neither is a change of usage.
      const { behind } = answer.freshness;
      const meaning = JSON.stringify({ ...answer, freshness: behind, forecast: null });
      if (meaning !== one.meaning) {
        one.meaning = meaning;
        one.json = JSON.stringify(answer);
        for (const { onUsage } of one.watchers) onUsage(one.json);
      }
    } catch (error) {
      // Redis may come back. The watchers keep the last numbers until then.
      web.logger.warn({ err: error, project }, 'cannot read a watched project');
    }
    if (watched.get(project) === one) one.timer = setTimeout(() => void look(project, one), LOOK_EVERY_MS);
  };

  const mayWatch = (subject: string): boolean => {
    const all = [...watched.values()].flatMap(({ watchers }) => [...watchers]);
    const own = all.filter((watcher) => watcher.subject === subject);
    return all.length < WATCHERS_MAX && own.length < WATCHERS_OF_ONE_MAX;
  };

  return {
    watch(project, watcher) {
      if (!mayWatch(watcher.subject)) return undefined;
      let one = watched.get(project);
      if (one === undefined) {
        one = { watchers: new Set(), meaning: undefined, json: undefined, timer: undefined };
        watched.set(project, one);
        void look(project, one);
      }
      const { watchers, timer } = one;
      watchers.add(watcher);
      if (one.json !== undefined) watcher.onUsage(one.json);
      return () => {
        watchers.delete(watcher);
        if (watchers.size > 0 || watched.get(project)?.watchers !== watchers) return;
        clearTimeout(watched.get(project)?.timer ?? timer);
        watched.delete(project);
      };
    },
    close() {
      const all = [...watched.values()];
      watched.clear();
      for (const { watchers, timer } of all) {
        clearTimeout(timer);
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
    subject: session.subject,
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
