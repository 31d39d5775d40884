import { isInference, splitMeterKey } from '../../rating/meters';
import type { Invoice, InvoiceLine } from '../../billing/invoice/invoice';
import type { PricingPeriod } from '../../billing/pricing/prices-by-day';
import { isLateField } from '../../rating/month';
import { inInvoiceOrder, labelOf } from '../../billing/pricing/units';
import type { PlanComparison } from '../../billing/invoice/compare-plans';
import { groupDigits, shownRate } from '../../lib/text/number-text';
import type { QuotaUsage } from '../../billing/quota/quota-usage';
import { dailyChart, dailyUsage } from './daily-chart';
import { html, type Html } from './html';
import type { LogPosition } from '../../ingest/health/log-position';
import type { MonthView } from './month-view';
import { clock, money, monthName, permille, quantity } from './number-text';
import type { Statement } from './statements';

export interface BillingPage {
  readonly view: MonthView;
  /** `billing` for admins; `usage` for members, who do not see invoices. */
  readonly kind: 'billing' | 'usage';
  readonly position: LogPosition | undefined;
  /** The meter of the chart. */
  readonly meter: string | undefined;
  readonly previousMonth: string;
  /** undefined after the current month. */
  readonly nextMonth: string | undefined;
  readonly plans: readonly PlanComparison[];
  readonly statements: readonly Statement[];
  readonly moreStatements: string | undefined;
}

export function billingPage(shown: BillingPage): Html {
  const { view, kind } = shown;
  const base = `/projects/${view.project}/${kind}`;
  return html`
    <div class="head">
      <div>
        <p class="eyebrow">${view.project}</p>
        <h1>${kind === 'billing' ? 'Billing' : 'Usage'}</h1>
      </div>
      <nav class="months" aria-label="Month">
        <a
          href="${base}?month=${shown.previousMonth}"
          rel="prev"
          aria-label="${monthName(shown.previousMonth)}"
          >‹</a
        >
        <strong>${monthName(view.month)}</strong>
        ${
          shown.nextMonth === undefined
            ? html`<span aria-hidden="true" class="off">›</span>`
            : html`<a
                href="${base}?month=${shown.nextMonth}"
                rel="next"
                aria-label="${monthName(shown.nextMonth)}"
                >›</a
              >`
        }
      </nav>
    </div>
    <div id="live-head" data-live>
      ${freshness(view, shown.position)} ${view.unpriced.length > 0 && unpricedNotice(view)}
      ${view.isIncomplete && incompleteNotice()} ${summary(view)}
    </div>
    <section aria-labelledby="included-title">
      <h2 id="included-title">Included in your plan</h2>
      <div id="live-quotas" data-live>${quotas(view)}</div>
    </section>
    ${dailySection(shown, base)}
    <div id="live-lines" data-live>${inferenceSection(view)} ${chargesSection(view)}</div>
    ${shown.plans.length > 1 && plansSection(shown)} ${kind === 'billing' && statementsSection(shown)}
  `;
}

function freshness({ status }: MonthView, position: LogPosition | undefined): Html {
  if (status !== 'open') return html`<p class="fresh done">This month is closed.</p>`;
  if (position === undefined) {
    return html`<p class="fresh unknown">Kafka does not answer. The numbers may be out of date.</p>`;
  }
  if (position.behind === 0) {
    return html`<p class="fresh live">
      Up to date: all usage published until ${clock(position.atMs)} is counted.
    </p>`;
  }
  return html`<p class="fresh behind">
    Catching up: about ${groupDigits(String(position.behind))} events published until ${clock(position.atMs)}
    are still to be counted.
  </p>`;
}

function incompleteNotice(): Html {
  return html`<p class="notice" role="note">
    <strong>Some usage cannot be priced yet.</strong> It is not included in the cost, and the invoice waits
    until this is corrected.
  </p>`;
}

function unpricedNotice({ unpriced }: MonthView): Html {
  return html`<p class="notice" role="note">
    <strong>Some usage has no price yet.</strong> It is not included in the cost, and the invoice waits for
    the prices of ${unpriced.join(', ')}.
  </p>`;
}

function summary({
  input,
  invoice,
  creditBalance,
  forecast,
  segments,
  quotas: all,
  status,
  month,
}: MonthView): Html {
  const plan = segments.at(-1);
  const { currency } = invoice;
  const generous = all.filter(({ included }) => /[1-9]/.test(included)).length;
  return html`<div class="cards">
    <div class="card strong">
      <h2>${status === 'open' ? 'Charges so far' : 'Total'}</h2>
      <p class="figure" data-cost>${money(invoice.total, currency)}</p>
      <p class="note">
        ${
          status === 'issued'
            ? html`Invoice ${invoice.number ?? ''} of ${invoice.issuedAt.slice(0, 10)}`
            : 'Plan, usage, credits and tax'
        }
      </p>
    </div>
    ${
      forecast !== undefined &&
      html`<div class="card">
        <h2>Forecast for ${monthName(month)}</h2>
        <p class="figure">${money(forecast.total, currency)}</p>
        <p class="note">At the current pace</p>
      </div>`
    }
    <div class="card">
      <h2>Plan</h2>
      <p class="figure">${plan?.planName ?? invoice.plan}</p>
      <p class="note">
        ${
          plan === undefined
            ? 'The price list does not have this plan in this month.'
            : planNote(plan, money(plan.fee.toFixed(input.catalog.minorDigits), currency), generous)
        }
      </p>
    </div>
    ${
      creditBalance !== undefined &&
      html`<div class="card">
        <h2>Credit</h2>
        <p class="figure">${money(creditBalance, currency)}</p>
        <p class="note">Applied to the next invoice with an amount due.</p>
      </div>`
    }
  </div>`;
}

function planNote({ atQuota }: PricingPeriod, fee: string, generous: number): string {
  const beyond =
    atQuota === 'block'
      ? 'Usage beyond them is blocked, not charged.'
      : 'Usage beyond them is charged at the plan’s prices.';
  return `${fee} per month, ${generous} included quantities. ${beyond}`;
}

function quotas({ quotas: all, invoice, segments }: MonthView): Html {
  const shown = all.filter(({ included, used }) => /[1-9]/.test(included + used));
  return html`<ul class="quotas">
    ${shown.map((quota, i) => {
      const { name, unit, used, included, remaining, over, beyond, period } = quota;
      const has = /[1-9]/.test(included);
      const share = permille(used, included);
      return html`<li class="card">
        <h3 id="quota-${i}">
          ${name}${segments.length > 1 && period !== undefined && html` <small>${period}</small>`}
        </h3>
        <p class="amount">
          <strong>${quantity(used, unit, invoice.currency)}</strong>${
            has && html` of ${quantity(included, unit, invoice.currency)}`
          }
        </p>
        ${
          has &&
          html`<meter
            aria-labelledby="quota-${i}"
            min="0"
            max="1000"
            high="900"
            low="750"
            optimum="0"
            value="${Math.min(share, 1000)}"
          >
            ${Math.floor(share / 10)}%
          </meter>`
        }
        <p class="note">
          ${quotaNote(has, /[1-9]/.test(over), share, beyond, {
            remaining: quantity(remaining, unit, invoice.currency),
            over: quantity(over, unit, invoice.currency),
          })}
        </p>
      </li>`;
    })}
  </ul>`;
}

function quotaNote(
  has: boolean,
  isOver: boolean,
  share: number,
  beyond: QuotaUsage['beyond'],
  { remaining, over }: { remaining: Html; over: Html },
): Html {
  if (beyond === 'free') return html`Free of charge`;
  const then = beyond === 'block' ? 'not charged' : 'charged';
  if (!has)
    return beyond === 'block' ? html`Not in your plan` : html`No included quantity: all usage is charged`;
  if (isOver) return html`Used up. ${over} beyond it, ${then}`;
  return html`${remaining} left, ${Math.floor(share / 10)}% used`;
}

function dailySection({ view, meter, kind }: BillingPage, base: string): Html {
  const meters = chartMeters(view);
  if (meter === undefined || meters.length === 0) {
    return html`<section aria-labelledby="daily-title">
      <h2 id="daily-title">Usage by day</h2>
      <p class="empty">No usage in ${monthName(view.month)} yet.</p>
    </section>`;
  }
  return html`<section aria-labelledby="daily-title">
    <div class="head">
      <h2 id="daily-title">Usage by day</h2>
      <form method="get" action="${base}" class="pick" data-auto="${kind}">
        <input type="hidden" name="month" value="${view.month}" />
        <label for="meter">Meter</label>
        <select id="meter" name="meter">
          ${meters.map((key) => {
            const { meter: name, model } = splitMeterKey(key);
            return html`<option value="${key}" ${key === meter && html` selected`}>
              ${labelOf(name, model)}
            </option>`;
          })}
        </select>
        <button>Show</button>
      </form>
    </div>
    <div id="live-daily" data-live class="card">
      ${dailyChart(meter, dailyUsage(view.month, meter, view.input.daily ?? new Map<string, bigint>()))}
    </div>
  </section>`;
}

/** The meters that were used in the month itself, in the order of the invoice. */
export function chartMeters({ input }: MonthView): string[] {
  return inInvoiceOrder([...input.totals.keys()].filter((field) => !isLateField(field)));
}

function inferenceSection({ invoice }: MonthView): Html | false {
  const lines = invoice.lines.filter(
    ({ kind, meter }) => kind === 'usage' && meter !== undefined && isInference(meter),
  );
  if (lines.length === 0) return false;
  const models = [...new Set(lines.map(({ model }) => model ?? ''))];
  return html`<section aria-labelledby="inference-title">
    <h2 id="inference-title">Inference by model</h2>
    <p class="lead">Before the plan’s inference credits.</p>
    <div class="card scroll" tabindex="0" role="region" aria-labelledby="inference-title">
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Kind</th>
            <th scope="col" class="number">Used</th>
            <th scope="col" class="number">Price</th>
            <th scope="col" class="number">Amount</th>
          </tr>
        </thead>
        <tbody>
          ${models.flatMap((model) =>
            lines
              .filter((line) => (line.model ?? '') === model)
              .map(
                (line, i) =>
                  html`<tr>
                    <th scope="row">${i === 0 ? model : html`<span class="again">${model}</span>`}</th>
                    <td>${labelOf(line.meter!)}</td>
                    <td class="number">${quantity(line.quantity, line.unit, invoice.currency)}</td>
                    <td class="number">${priceOf(line, invoice)}</td>
                    <td class="number">
                      ${line.amount === null ? 'no price' : money(line.amount, invoice.currency)}
                    </td>
                  </tr>`,
              ),
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

const priceOf = ({ unitPrice, per, unit }: InvoiceLine, { total }: Pick<Invoice, 'total'>): string =>
  unitPrice === null ? 'unknown' : shownRate(unitPrice, per, unit, total);

const EXPLAINED: Readonly<Record<InvoiceLine['kind'], string | undefined>> = {
  plan: undefined,
  usage: undefined,
  late: 'A late line is usage of an earlier month that arrived after that month was closed. It costs what it would have cost in that month.',
  credit: 'A credit is the plan’s inference credit, usage that the plan does not charge, or a correction.',
  tax: undefined,
};

function chargesSection({ invoice, creditNote, status }: MonthView): Html {
  const kinds = [...new Set(invoice.lines.map(({ kind }) => kind))];
  return html`<section aria-labelledby="charges-title">
    <h2 id="charges-title">${status === 'issued' ? 'Charges' : 'Charges so far, by line'}</h2>
    ${kinds.map((kind) => EXPLAINED[kind] !== undefined && html`<p class="lead">${EXPLAINED[kind]}</p>`)}
    ${linesTable(invoice.lines, invoice.currency, invoice.total, 'charges-title')}
    ${
      creditNote !== undefined &&
      html`<h3 id="credited-title">Credit note ${creditNote.number ?? ''}</h3>
        <p class="lead">
          Corrections of earlier months exceed this month’s charges. A credit note refunds
          them${creditNote.number === null && ' when the month is closed'}.
        </p>
        ${linesTable(creditNote.lines, creditNote.currency, creditNote.total, 'credited-title')}`
    }
  </section>`;
}

/** The lines of an invoice and their total. */
export function linesTable(
  lines: readonly InvoiceLine[],
  currency: string,
  total: string,
  titleId: string,
): Html {
  if (lines.length === 0) return html`<p class="empty">Nothing yet.</p>`;
  return html`<div class="card scroll" tabindex="0" role="region" aria-labelledby="${titleId}">
    <table class="lines">
      <thead>
        <tr>
          <th scope="col">Line</th>
          <th scope="col" class="number">Quantity</th>
          <th scope="col" class="number">Included</th>
          <th scope="col" class="number">Billable</th>
          <th scope="col" class="number">Price</th>
          <th scope="col" class="number">Amount</th>
        </tr>
      </thead>
      <tbody>
        ${lines.map((line) => {
          const isMoney = line.unit === currency;
          const cell = (amount: string): Html | string =>
            isMoney
              ? ''
              : html`<abbr title="${groupDigits(amount)} ${line.unit}"
                  >${quantity(amount, line.unit, currency)}</abbr
                >`;
          return html`<tr class="${line.kind}">
            <th scope="row">
              ${line.description}${line.period !== undefined && html` <small>${line.period}</small>`}
            </th>
            <td class="number">${isMoney ? '' : quantity(line.quantity, line.unit, currency)}</td>
            <td class="number">
              ${/[1-9]/.test(line.included) ? quantity(line.included, line.unit, currency) : ''}
            </td>
            <td class="number">${isMoney || line.kind === 'plan' ? '' : cell(line.billable)}</td>
            <td class="number">${isMoney ? '' : priceOf(line, { total })}</td>
            <td class="number">${line.amount === null ? 'no price' : money(line.amount, currency)}</td>
          </tr>`;
        })}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row" colspan="5">Total</th>
          <td class="number" data-total>${money(total, currency)}</td>
        </tr>
      </tfoot>
    </table>
  </div>`;
}

function plansSection({ plans, view }: BillingPage): Html {
  const current = view.invoice.plan;
  return html`<section aria-labelledby="plans-title">
    <h2 id="plans-title">This usage on other plans</h2>
    <p class="lead">
      What this month would have cost so far on each plan, without late usage, corrections and your own
      agreements.
    </p>
    <ul class="plans">
      ${plans.map(
        ({ plan, name, outcome }) =>
          html`<li class="card${plan === current && ' current'}">
            <h3>${name}${plan === current && html` <small>your plan</small>`}</h3>
            <p class="figure">${money(outcome.invoice.total, view.invoice.currency)}</p>
            <p class="note">
              ${
                outcome.overQuota.length > 0
                  ? html`Would block usage: ${outcome.overQuota.map((one) => one.name).join(', ')}`
                  : html`Covers all usage`
              }
            </p>
          </li>`,
      )}
    </ul>
  </section>`;
}

const STATUS: Readonly<Record<Statement['status'], string>> = {
  open: 'Open',
  issued: 'Issued',
  draft: 'Draft: price missing',
  nothing_due: 'Nothing due',
  credit_note: 'Credit note',
};

function statementsSection({ statements, moreStatements, view }: BillingPage): Html {
  return html`<section aria-labelledby="statements-title">
    <h2 id="statements-title">Statements</h2>
    <div class="card scroll" tabindex="0" role="region" aria-labelledby="statements-title">
      <table class="statements">
        <thead>
          <tr>
            <th scope="col">Month</th>
            <th scope="col">Status</th>
            <th scope="col" class="number">Total</th>
            <th scope="col"><span class="hidden">Invoices</span></th>
          </tr>
        </thead>
        <tbody>
          ${statements.map(
            ({ month, status, total, currency }) =>
              html`<tr>
                <th scope="row">
                  <a href="/projects/${view.project}/billing?month=${month}">${monthName(month)}</a>
                </th>
                <td><span class="status ${status}">${STATUS[status]}</span></td>
                <td class="number">${money(total, currency)}</td>
                <td class="number">
                  ${
                    (status === 'issued' || status === 'credit_note') &&
                    html`<a class="button" href="/projects/${view.project}/billing/${month}"
                      >View Invoices<span class="hidden"> of ${monthName(month)}</span></a
                    >`
                  }
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${
      moreStatements !== undefined &&
      html`<p>
        <a
          href="/projects/${view.project}/billing?month=${view.month}&amp;before=${moreStatements}#statements-title"
          >Earlier statements</a
        >
      </p>`
    }
  </section>`;
}
