import { buildInvoice } from '../billing/invoice/build-invoice';
import type { Catalog } from '../billing/catalog/catalog';
import { Decimal } from '../billing/pricing/decimal';
import { doForEach } from '../close/held/held-projects';
import { readUnissuedInputs } from '../close/invoice-inputs';
import { projectsToBill } from '../close/issue-invoices';
import type { BillingCalendar } from '../rating/billing-calendar';
import { readWhole } from '../redis/rebuilding';
import type { Store } from '../redis/store';

/** The charges of projects in the open month so far. */
export interface Spend {
  /** Ordered by charges, the highest first. */
  readonly projects: readonly { readonly project: string; readonly plan: string; readonly total: string }[];
  readonly priced: number;
  /** Whether there are more projects than were priced. */
  readonly isCut: boolean;
  readonly atMs: number;
}

export interface SpendSources {
  readonly store: Store;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly nowMs: () => number;
}

const SPENDERS_SHOWN = 25;
/**
 * Pricing every project of a large installation takes minutes. A close does that, a page does not.
 */
const PROJECTS_PRICED_MAX = 2_000;
const PRICED_AT_ONCE = 50;

/** Prices the projects of the open month by their current totals. */
export function readSpend(sources: SpendSources): Promise<Spend> {
  return readWhole(sources.store, () => readSpendOf(sources));
}

async function readSpendOf({ store, calendar, catalog, nowMs }: SpendSources): Promise<Spend> {
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
    const { done } = await doForEach(
      some.map((project) => ({ project })),
      month,
      (few) =>
        readUnissuedInputs(
          terms,
          few.map(({ project }) => project),
        ),
    );
    for (const input of done) {
      // The close reports a project that cannot be priced. The others are shown.
      const { invoice, problems } = buildInvoice(input);
      if (problems.some(({ code }) => code !== 'NO_PRICE')) continue;
      const { project, plan, total } = invoice;
      priced.push({ project, plan, total });
    }
  }
  priced.sort((a, b) => new Decimal(b.total).cmp(a.total) || (a.project < b.project ? -1 : 1));
  return { projects: priced.slice(0, SPENDERS_SHOWN), priced: priced.length, isCut, atMs: Date.now() };
}
