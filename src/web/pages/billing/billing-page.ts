import type { PlanComparison } from '../../../billing/invoice/compare-plans';
import { groupDigits } from '../../../lib/text/number-text';
import type { LogPosition } from '../../../ingest/health/log-position';
import { foreign, html, live, livePart, type Html } from '../html';
import type { MonthView } from '../month-view';
import { clock, hasQuantity, monthName } from '../number-text';
import type { Statement } from '../statements';
import { allowances } from './allowances';
import { billingDetails } from './billing-details';
import { charges } from './charges';
import { costSummary, type CostSummary } from './cost-summary';
import { planDifferences } from './plan-differences';
import { statementsTable } from './statements-table';
import { usageChart } from './usage-chart';

export interface BillingPage {
  readonly view: MonthView;
  /** `billing` for admins; `usage` for members, who do not see invoices. */
  readonly kind: 'billing' | 'usage';
  /** The month is over. */
  readonly isOver: boolean;
  readonly position: LogPosition | undefined;
  /** The chart that the address names. */
  readonly chart: string | undefined;
  readonly previousMonth: string | undefined;
  readonly nextMonth: string | undefined;
  readonly comparison: { readonly ownTotal: string; readonly plans: readonly PlanComparison[] } | undefined;
  readonly statements: readonly Statement[];
  readonly moreStatements: string | undefined;
}

/** In the order in which people look for it: the cost, its invoices, what is running out. */
export function billingPage(page: BillingPage): Html {
  const { view, kind, chart } = page;
  const isBilling = kind === 'billing';
  return html`${heading(page)} ${liveStatus()}
  ${livePart('live-cost', [freshness(page), notices(view), costSummary(costOf(page))])}
  ${isBilling && livePart('live-statements', statementsOf(page))}
  ${livePart('live-allowances', allowances(view))}
  ${livePart('live-chart', usageChart(view, chart, addressOf(page)))}
  ${livePart('live-charges', charges(view))} ${isBilling && livePart('live-plans', plansOf(page))}
  ${isBilling && livePart('live-details', billingDetails(view))}`;
}

const addressOf = ({ view, kind }: BillingPage): string => `/projects/${view.project}/${kind}`;

function heading(page: BillingPage): Html {
  const { view, kind, previousMonth, nextMonth } = page;
  const step = (month: string | undefined, rel: 'prev' | 'next', sign: string): Html =>
    month === undefined
      ? html`<span aria-hidden="true" class="off">${sign}</span>`
      : html`<a href="${addressOf(page)}?month=${month}" rel="${rel}" aria-label="${monthName(month)}"
          >${sign}</a
        >`;
  return html`<div class="head">
    <div>
      <p class="eyebrow">${view.project}</p>
      <h1>${kind === 'billing' ? 'Billing' : 'Usage'}</h1>
    </div>
    <nav class="months" aria-label="Month">
      ${step(previousMonth, 'prev', '‹')}
      <strong>${monthName(view.month)}</strong>
      ${step(nextMonth, 'next', '›')}
    </nav>
  </div>`;
}

/** What the script shows if the page is no longer kept up to date. */
function liveStatus(): Html {
  const signIn = html`Your session has ended, so this page is no longer updated.
    <a href="/">Sign in again</a>`;
  const tooMany =
    'Too many requests, so this page is not updated now. If you have many pages open, close some of them.';
  const lost = 'Connection lost, so this page is not updated. Trying again every few seconds.';
  return html`<div role="status" id="live-status">
    <p class="notice" data-when="ended" hidden>${signIn}</p>
    <p class="notice" data-when="429" hidden>${tooMany}</p>
    <p class="notice" data-when="lost" hidden>${lost}</p>
  </div>`;
}

function freshness({ view: { status, month }, position, isOver }: BillingPage): Html {
  if (status !== 'open') return html`<p class="fresh done">This month is closed.</p>`;
  if (isOver) {
    return html`<p class="fresh behind">
      ${monthName(month)} is closing: it is over, and late usage is still counted until it is closed.
    </p>`;
  }
  if (position === undefined) {
    return html`<p class="fresh unknown">
      Live updates are not available now. These numbers may be out of date.
    </p>`;
  }
  if (position.behind === 0) {
    return html`<p class="fresh live">
      Up to date: includes all usage received until ${live('counted-until', clock(position.atMs))}.
    </p>`;
  }
  return html`<p class="fresh behind">
    Catching up: about ${live('behind', groupDigits(position.behind))} events received until
    ${live('counted-until', clock(position.atMs))} are not included yet.
  </p>`;
}

/** The lines of the charges show the others, too. */
const UNPRICED_SHOWN = 4;

function notices({ unpriced, isIncomplete }: MonthView): Html {
  const waits = 'It is not included in the cost, and the month is not invoiced until this is corrected.';
  return html`${
    unpriced.length > 0 &&
    html`<p class="notice" role="note">
      <strong>Some usage has no price yet.</strong> ${waits} The price list needs:
      ${unpriced.slice(0, UNPRICED_SHOWN).map((key, i) => [i > 0 && ', ', foreign(key)])}${
        unpriced.length > UNPRICED_SHOWN && ` and ${unpriced.length - UNPRICED_SHOWN} more`
      }.
    </p>`
  }
  ${
    isIncomplete &&
    html`<p class="notice" role="note"><strong>Some usage cannot be priced yet.</strong> ${waits}</p>`
  }`;
}

function costOf({ view, kind, previousMonth, statements }: BillingPage): CostSummary {
  const budget = view.input.profile?.budget;
  const lastMonth = statements.find(
    ({ month, status }) => month === previousMonth && status !== 'credit_note',
  );
  const seesBudget = kind === 'billing' && budget !== undefined && hasQuantity(budget);
  return { view, lastMonth, budget: seesBudget ? budget : undefined };
}

const statementsOf = ({ view, statements, moreStatements }: BillingPage): Html =>
  statementsTable({ project: view.project, month: view.month, statements, earlier: moreStatements });

function plansOf({ view, comparison }: BillingPage): Html | false {
  if (comparison === undefined) return false;
  const { plan, currency } = view.invoice;
  return planDifferences({ ownTotal: comparison.ownTotal, plan, currency, comparisons: comparison.plans });
}
