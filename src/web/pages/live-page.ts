import type { FastifyReply, FastifyRequest } from 'fastify';
import { eventText, openEventStream } from '../api/event-stream';
import type { UsageStreams, WatchedUsage } from '../api/usage-stream';
import type { WebDependencies } from '../http/dependencies';
import { holderOf, type Session } from '../http/tokens';
import { readBillingPage, type PageAddress } from './billing/read-billing-page';
import { changesBetween, createLiveStates, liveStateOf, type LiveState } from './live-state';
import type { Html } from './html';

/** Keeps the open pages of projects up to date. */
export interface LivePages {
  /** Remembers what a page shows when it is loaded. @returns the id that its stream begins from */
  loaded(page: Html): string;
  open(request: FastifyRequest, reply: FastifyReply, session: Session, address: PageAddress): Promise<void>;
}

/**
 * The page is written again whenever usage changes, so whatever shows a number follows. A tab gets
 * what differs from what it shows. Tabs with the same address share one page.
 */
export function createLivePages(web: WebDependencies, streams: UsageStreams): LivePages {
  const states = createLiveStates();
  const written = new WeakMap<WatchedUsage, Map<string, Promise<LiveState>>>();

  const stateOf = (usage: WatchedUsage, address: PageAddress): Promise<LiveState> => {
    const pages = written.get(usage) ?? new Map<string, Promise<LiveState>>();
    written.set(usage, pages);
    const key = JSON.stringify(address);
    const known = pages.get(key) ?? readBillingPage(web, address, usage.view).then(liveStateOf);
    pages.set(key, known);
    return known;
  };

  return {
    loaded(page) {
      const state = liveStateOf(page);
      states.remember(state);
      return state.id;
    },
    async open(request, reply, session, address) {
      let begun = 0;
      let offered = 0;
      let shown = states.find(String(request.headers['last-event-id'] ?? ''));
      await openEventStream(request, reply, session, (stream) => {
        const follow = (usage: WatchedUsage): void => {
          // The month of the page is over: a page of the next one is another page.
          if (usage.view.month !== address.month) return stream.offer(() => eventText('reload', {}));
          const turn = (begun += 1);
          stateOf(usage, address).then(
            (state) => {
              if (turn < offered) return; // A later reading was faster.
              offered = turn;
              stream.offer(() => {
                const changes = changesBetween(shown, state);
                shown = state;
                states.remember(state);
                return changes === undefined ? '' : eventText('changes', changes, state.id);
              });
            },
            (error: unknown) => web.logger.warn({ err: error }, 'cannot bring a page up to date'),
          );
        };
        return streams.watch(address.project, {
          holder: holderOf(session),
          onUsage: follow,
          onAge: follow,
          onEnd: () => stream.end(),
        });
      });
    },
  };
}
