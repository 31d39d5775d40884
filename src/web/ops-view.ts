import { buildInvoice } from '../billing/build-invoice';
import { Decimal } from '../billing/decimal';
import { readCloseState } from '../close/close-state';
import { readInvoiceInput } from '../close/invoice-inputs';
import { projectsToBill } from '../close/issue-invoices';
import { readRecentDeadLetters, type RecentDeadLetters } from '../stream/recent-dead-letters';
import { readCloses } from '../totals/closes';
import { countProjects } from '../totals/read';
import type { WebDependencies } from './dependencies';
import type { LogPosition } from '../watch/log-position';

/** The installation as whoever runs it sees it. */
export interface OpsView {
  readonly month: string;
  readonly currency: string;
  readonly position: LogPosition | undefined;
  /** undefined: Kafka does not answer. */
  readonly deadLetters: RecentDeadLetters | undefined;
  readonly spend: Spend;
  readonly months: readonly {
    readonly month: string;
    readonly closedAt: string | undefined;
    readonly projects: number;
  }[];
}

export interface Spend {
  /** The dearest first. */
  readonly projects: readonly { readonly project: string; readonly plan: string; readonly total: string }[];
  readonly priced: number;
  /** There are more projects than were priced. */
  readonly isCut: boolean;
  readonly atMs: number;
}

const SPENDERS_SHOWN = 25;
/** Pricing every project of a large installation takes minutes: a close does that, a page does not. */
const PROJECTS_PRICED_MAX = 2_000;
const PRICED_AT_ONCE = 50;
const SPEND_KEPT_MS = 30_000;
const LETTERS_PER_PARTITION = 100;
const MONTHS_SHOWN = 12;

/** Reads what the page of the installation shows. What costs much is read once for all who look within half a minute. */
export function createOpsReader(web: WebDependencies): { read(): Promise<OpsView>; forgetLetters(): void } {
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
          web.log.warn({ err: error }, 'the dead letters cannot be read');
          return undefined;
        }),
        readMonths(web),
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

async function readSpend({ store, calendar, catalog, nowMs }: WebDependencies): Promise<Spend> {
  const month = calendar.monthOfMs(nowMs());
  const terms = { store, calendar, catalog, month, issuedAt: new Date(nowMs()).toISOString() };
  const projects: string[] = [];
  let isCut = false;
  for await (const project of projectsToBill(store, month)) {
    isCut = projects.length === PROJECTS_PRICED_MAX;
    if (isCut) break;
    projects.push(project);
  }
  const priced: Spend['projects'][number][] = [];
  for (let from = 0; from < projects.length; from += PRICED_AT_ONCE) {
    const some = projects.slice(from, from + PRICED_AT_ONCE);
    const inputs = await Promise.all(some.map((project) => readInvoiceInput(terms, project, null)));
    for (const input of inputs) {
      const { project, plan, total } = buildInvoice(input).invoice;
      priced.push({ project, plan, total });
    }
  }
  priced.sort((a, b) => new Decimal(b.total).cmp(a.total) || (a.project < b.project ? -1 : 1));
  return { projects: priced.slice(0, SPENDERS_SHOWN), priced: priced.length, isCut, atMs: Date.now() };
}

async function readMonths({ store, calendar, nowMs }: WebDependencies): Promise<OpsView['months']> {
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
        closedAt: record === undefined ? undefined : (JSON.parse(record) as { closedAt: string }).closedAt,
        projects: await countProjects(store, month),
      };
    }),
  );
}

/** Asks once for all who want to know within `ms`; after a failure, again. */
function keptFor<T>(ms: number, ask: () => Promise<T>): { get(): Promise<T>; forget(): void } {
  let kept: { readonly at: number; readonly answer: Promise<T> } | undefined;
  const forget = (): void => void (kept = undefined);
  return {
    forget,
    get() {
      if (kept === undefined || Date.now() - kept.at > ms) {
        kept = { at: Date.now(), answer: ask() };
        kept.answer.catch(forget);
      }
      return kept.answer;
    },
  };
}
