import { buildInvoice } from '../../../billing/invoice/build-invoice';
import { comparePlans, ownUsageOf } from '../../../billing/invoice/compare-plans';
import type { WebDependencies } from '../../http/dependencies';
import { readMonthView, type MonthView } from '../month-view';
import { catalogStart, readStatements } from '../statements';
import { billingPage, type BillingPage } from './billing-page';
import type { Html } from '../html';

/** What the address of a project's page names. */
export interface PageAddress {
  readonly project: string;
  readonly kind: BillingPage['kind'];
  readonly month: string;
  readonly chart: string | undefined;
  /** Only statements of months before this one. */
  readonly before: string | undefined;
}

/**
 * Reads and writes a project's page.
 *
 * @param known the month, if it was read already
 */
export async function readBillingPage(
  web: WebDependencies,
  address: PageAddress,
  known?: MonthView,
): Promise<Html> {
  const { calendar, catalog } = web;
  const { project, kind, month, chart, before } = address;
  const isBilling = kind === 'billing';
  const current = calendar.monthOfMs(web.nowMs());
  const reading = Promise.resolve(known ?? readMonthView(web, project, month));
  const [view, { statements, next }] = await Promise.all([
    reading,
    isBilling
      ? readStatements(web, project, before, { month, view: reading })
      : { statements: [], next: undefined },
  ]);
  return billingPage({
    ...{ view, kind, chart, statements, moreStatements: next },
    isOver: month < current,
    position: web.logWatch.position(),
    previousMonth: month > catalogStart(catalog) ? calendar.previousMonth(month) : undefined,
    nextMonth: month < current ? calendar.nextMonth(month) : undefined,
    comparison: isBilling && month === current ? comparisonOf(view) : undefined,
  });
}

function comparisonOf({ input }: MonthView): BillingPage['comparison'] {
  const plans = comparePlans(input);
  return { ownTotal: buildInvoice(ownUsageOf(input)).invoice.total, plans };
}
