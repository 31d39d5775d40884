import { inForce } from '../../../billing/catalog/catalog';
import { Decimal, sum } from '../../../billing/pricing/decimal';
import type { LineKind } from '../../../billing/invoice/invoice';
import { foreign, html, live, type Html } from '../html';
import type { MonthView } from '../month-view';
import { dateName, hasQuantity, money, monthName, percentText, permille } from '../number-text';

export interface CostSummary {
  readonly view: MonthView;
  /** undefined if nothing is known of the month before. */
  readonly lastMonth: { readonly month: string; readonly total: string } | undefined;
  /** undefined for readers who do not see it, and if there is none. */
  readonly budget: string | undefined;
}

/** What the month costs: what people come for. */
export function costSummary({ view, lastMonth, budget }: CostSummary): Html {
  const { invoice, status, forecast } = view;
  const { currency } = invoice;
  return html`<section class="card cost" aria-labelledby="cost-title">
    <div>
      <h2 id="cost-title">${status === 'open' ? 'Charges so far' : 'Total'}</h2>
      <p class="figure" data-cost>${live('cost', money(invoice.total, currency))}</p>
      <p class="sum">${equation(view)}</p>
      ${
        status === 'issued' &&
        html`<p class="note">Invoice ${invoice.number ?? ''}, issued on ${dateName(invoice.issuedAt)}</p>`
      }
      ${budget !== undefined && againstBudget(view, budget)} ${planLine(view)}
    </div>
    <dl class="facts">
      ${
        forecast !== undefined &&
        fact('Forecast', live('forecast', money(forecast.total, currency)), 'At the current pace')
      }
      ${
        lastMonth !== undefined &&
        fact('Last month', live('last-month', money(lastMonth.total, currency)), monthName(lastMonth.month))
      }
      ${creditsLeft(view)}
    </dl>
  </section>`;
}

const fact = (name: string, value: Html | string, note: Html | string): Html =>
  html`<div>
    <dt>${name}</dt>
    <dd>${value} <small>${note}</small></dd>
  </div>`;

const TERMS: readonly (readonly [name: string, kinds: readonly LineKind[]])[] = [
  ['plan', ['plan']],
  ['usage', ['usage']],
  ['late usage', ['late']],
  ['credits', ['credit']],
  ['tax', ['tax']],
];

/** `Plan $50.00 + usage $9.60 − credits $5.00`. The terms amount to the total. */
function equation({ invoice: { lines, currency }, input }: MonthView): Html {
  const terms = TERMS.map(([name, kinds]) => ({
    name,
    amount: sum(
      lines.filter(({ kind }) => kinds.includes(kind)).map(({ amount }) => new Decimal(amount ?? 0)),
    ),
  })).filter(({ name, amount }) => name === 'plan' || name === 'usage' || !amount.isZero());
  return html`${terms.map(({ name, amount }, i) => {
    const sign = amount.isNegative() ? '−' : '+';
    const shown = live(`term-${name}`, money(amount.abs().toFixed(input.catalog.minorDigits), currency));
    return html`${i > 0 && html` <span>${sign}</span> `}${i === 0 ? 'Plan' : name} <b>${shown}</b>`;
  })}`;
}

function againstBudget({ invoice: { total, currency }, forecast }: MonthView, budget: string): Html {
  const share = permille(total, budget);
  const expected = forecast === undefined ? undefined : permille(forecast.total, budget);
  const text = html`${percentText(share)} of your budget of
  ${money(budget, currency)}${expected !== undefined && html`, ${percentText(expected)} at the current pace`}`;
  return html`<div class="budget">
    ${live('budget-bar', bar('Budget used', share))}
    <p class="note">${live('budget', text)}</p>
  </div>`;
}

/** A bar that is full at 1000, and changes its colour before it is. */
export function bar(label: string, thousandths: number): Html {
  return html`<meter
    aria-label="${label}"
    min="0"
    max="1000"
    low="800"
    high="999"
    optimum="0"
    value="${Math.min(thousandths, 1000)}"
  >
    ${percentText(thousandths)}
  </meter>`;
}

function creditsLeft({ quotas, credit, invoice: { currency } }: MonthView): Html {
  const inference = quotas.findLast(({ meters, included }) => meters.length === 0 && hasQuantity(included));
  return html`${
    inference !== undefined &&
    fact(
      'Inference credits left',
      live('credits-left', money(inference.remaining, currency)),
      `of ${money(inference.included, currency)} this month`,
    )
  }
  ${
    credit !== undefined &&
    fact(
      'Credit left',
      live('credit', money(credit.left, currency)),
      credit.applied === undefined
        ? 'After this invoice'
        : live('credit-applied', `${money(credit.applied, currency)} applied to this month`),
    )
  }`;
}

function planLine({ pricingPeriods, invoice, input, quotas }: MonthView): Html {
  const plan = pricingPeriods.at(-1);
  if (plan === undefined) {
    return html`<p class="plan">
      <b>${foreign(invoice.plan)} plan</b>: the price list does not have this plan in this month
    </p>`;
  }
  const isCustom = inForce(input.plans.toSorted(byDay), plan.period.to)?.overrides !== undefined;
  const allowances = quotas.filter(
    ({ included, period }) => hasQuantity(included) && isOf(plan.period, period),
  );
  const fee = money(plan.fee.toFixed(input.catalog.minorDigits), invoice.currency);
  const count = `${allowances.length} ${allowances.length === 1 ? 'allowance' : 'allowances'}`;
  const terms = [`${fee} per month`, count, ...(isCustom ? ['custom pricing'] : [])].join(', ');
  return html`<p class="plan"><b>${foreign(plan.planName)} plan</b>: ${terms}</p>`;
}

const byDay = (a: { from: string }, b: { from: string }): number => (a.from < b.from ? -1 : 1);

/** The quotas of a month that is not split have no period. */
const isOf = ({ from }: { from: string }, period: string | undefined): boolean =>
  period === undefined || period.startsWith(from);
