import type { WebDependencies } from '../http/dependencies';
import { repeat, type Repetition } from '../../lib/process/poller';
import { readMonthView, type MonthView } from '../pages/month-view';
import { usageAnswer } from './answers';

/** All watchers of projects' usage. One reader per project reads Redis, however many watch. */
export interface UsageStreams {
  /**
   * Calls `onUsage` with the usage now and whenever it changes, and `onEnd` when the server closes.
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
  readonly onUsage: (usage: WatchedUsage) => void;
  /** Called from time to time if only the forecast and the time of reading have changed. */
  readonly onAge?: (usage: WatchedUsage) => void;
  readonly onEnd: () => void;
}

/** A reading of the current month. All watchers of a project get the same one. */
export interface WatchedUsage {
  readonly view: MonthView;
  /** The document of the API. */
  readonly json: string;
}

const LOOK_EVERY_MS = 1_000;
const AGE_EVERY_MS = 10_000;
const WATCHERS_MAX = 1_000;
const WATCHERS_OF_ONE_MAX = 20;

interface Watched {
  readonly watchers: Set<Watcher>;
  readonly looks: Repetition;
  /** The last reading. */
  readonly usage: () => WatchedUsage | undefined;
}

export function createUsageStreams(web: WebDependencies): UsageStreams {
  const watched = new Map<string, Watched>();

  const watchProject = (project: string): Watched => {
    const watchers = new Set<Watcher>();
    let usage: WatchedUsage | undefined;
    let shown: string | undefined;
    let shownAt = 0;
    const looks = repeat({
      everyMs: LOOK_EVERY_MS,
      async turn() {
        const month = web.calendar.monthOfMs(web.nowMs());
        const view = await readMonthView(web, project, month);
        const [json, meaning] = documentOf(web, view);
        const isNew = meaning !== shown;
        if (!isNew && performance.now() - shownAt < AGE_EVERY_MS) return;
        [shown, shownAt, usage] = [meaning, performance.now(), { view, json }];
        for (const { onUsage, onAge } of watchers) (isNew ? onUsage : onAge)?.(usage);
      },
      // Redis may come back. The watchers keep the last numbers until then.
      onFailure: (error, isFirst) =>
        isFirst && web.logger.warn({ err: error, project }, 'cannot read a watched project'),
    });
    void looks.now();
    return { watchers, looks, usage: () => usage };
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
      const usage = one.usage();
      if (usage !== undefined) watcher.onUsage(usage);
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

/** The document of a month, and what of it is usage: the forecast changes every second. */
function documentOf(web: WebDependencies, view: MonthView): [json: string, meaning: string] {
  const answer = usageAnswer(view, web.logWatch.position());
  const { behind } = answer.freshness;
  return [JSON.stringify(answer), JSON.stringify({ ...answer, freshness: behind, forecast: null })];
}
