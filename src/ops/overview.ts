import { parseCopy } from '../lib/document';
import type { Config } from '../lib/config';
import type { Logger } from '../lib/logger';
import type { KafkaClient } from '../kafka/client';
import { readCloseState } from '../close/close-state';
import { readRecentDeadLetters, type RecentDeadLetters } from '../dead-letters/recent-dead-letters';
import { readCloses } from '../redis/views/closes';
import { countProjects } from '../redis/usage/read-usage';
import { readWhole } from '../redis/rebuilding';
import type { LogPosition, LogWatch } from '../ingest/health/log-position';
import { readSpend, type Spend, type SpendSources } from './spend';

/** The installation, for the people who run it. */
export interface OpsView {
  readonly month: string;
  readonly currency: string;
  readonly position: LogPosition | undefined;
  /** undefined if Kafka does not answer. */
  readonly deadLetters: RecentDeadLetters | undefined;
  readonly spend: Spend;
  readonly months: readonly {
    readonly month: string;
    readonly closedAt: string | undefined;
    readonly projects: number;
  }[];
}

/** The sources of the overview. */
export interface OverviewSources extends SpendSources {
  readonly logger: Logger;
  readonly config: Config;
  readonly kafka: KafkaClient;
  readonly logWatch: LogWatch;
}

const SPEND_KEPT_MS = 30_000;
const LETTERS_PER_PARTITION = 100;
const MONTHS_SHOWN = 12;

/**
 * Reads the content of the installation's page. Expensive parts are read at most once per half
 * minute, for all viewers.
 */
export function createOpsReader(web: OverviewSources): { read(): Promise<OpsView>; forgetLetters(): void } {
  const spend = keptFor(SPEND_KEPT_MS, () => readSpend(web));
  const letters = keptFor(2_000, () =>
    readRecentDeadLetters(web.kafka, web.config.prefix, LETTERS_PER_PARTITION),
  );
  return {
    forgetLetters: () => letters.forget(),
    async read() {
      const [spent, deadLetters, months] = await Promise.all([
        spend.get(),
        letters.get().catch((error: unknown) => {
          web.logger.warn({ err: error }, 'cannot read the dead letters');
          return undefined;
        }),
        readWhole(web.store, () => readMonths(web)),
      ]);
      return {
        month: web.calendar.monthOfMs(web.nowMs()),
        currency: web.catalog.currency,
        position: web.logWatch.position(),
        deadLetters,
        spend: spent,
        months,
      };
    },
  };
}

async function readMonths({ store, calendar, nowMs }: OverviewSources): Promise<OpsView['months']> {
  const [state, closes] = await Promise.all([readCloseState(store, calendar, nowMs()), readCloses(store)]);
  const current = calendar.monthOfMs(nowMs());
  const months = [...new Set([current, ...state.openMonthsWithUsage, ...state.closedMonths])]
    .sort()
    .reverse();
  return Promise.all(
    months.slice(0, MONTHS_SHOWN).map(async (month) => {
      const record = closes.get(month);
      return {
        month,
        closedAt:
          record === undefined
            ? undefined
            : parseCopy('close.v1.json', record, `the close of ${month}`).closedAt,
        projects: await countProjects(store, month),
      };
    }),
  );
}

/** Caches an answer for `ms`. A failure is not cached. */
function keptFor<T>(ms: number, ask: () => Promise<T>): { get(): Promise<T>; forget(): void } {
  let kept: { readonly at: number; readonly answer: Promise<T> } | undefined;
  const forget = (): void => void (kept = undefined);
  return {
    forget,
    get() {
      if (kept === undefined || performance.now() - kept.at > ms) {
        kept = { at: performance.now(), answer: ask() };
        kept.answer.catch(forget);
      }
      return kept.answer;
    },
  };
}
