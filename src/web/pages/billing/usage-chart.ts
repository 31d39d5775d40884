import type { Decimal } from '../../../billing/pricing/decimal';
import { inInvoiceOrder, labelOf, unitOf } from '../../../billing/pricing/units';
import { groupDigits, plural } from '../../../lib/text/number-text';
import { isLateField } from '../../../rating/month';
import { splitMeterKey } from '../../../rating/meters';
import { html, type Html } from '../html';
import type { MonthView } from '../month-view';
import { money, monthName, shortened } from '../number-text';
import { dailyChart, type DailyChart } from './daily-chart';
import { dailyCost, dailyUsage, type Stacks } from './daily-stacks';

/** The choice of the chart in money. All others are meter keys. */
const COST = 'cost';
const COST_TITLE = 'Cost by product';

/**
 * The charts that a month can be shown in: its cost, if usage costs something, and the meters that
 * were used in it, in the order of the invoice.
 */
function chartChoices(view: MonthView, cost: Stacks): string[] {
  const meters = inInvoiceOrder([...view.input.totals.keys()].filter((field) => !isLateField(field)));
  const hasWorth = cost.days.some(({ values }) => values.some((value) => !value.isZero()));
  return hasWorth ? [COST, ...meters] : meters;
}

/**
 * @param asked the choice that the address names; any other text counts as none
 * @param action the address of the page
 */
export function usageChart(view: MonthView, asked: string | undefined, action: string): Html {
  const cost = dailyCost(view);
  const choices = chartChoices(view, cost);
  const choice = asked !== undefined && choices.includes(asked) ? asked : choices[0];
  if (choice === undefined) {
    return html`<section aria-labelledby="daily-title">
      <h2 id="daily-title">Usage by day</h2>
      <p class="empty">No usage in ${monthName(view.month)}.</p>
    </section>`;
  }
  return html`<section aria-labelledby="daily-title">
    <div class="head">
      <h2 id="daily-title">${choice === COST ? 'Cost by day' : 'Usage by day'}</h2>
      <form method="get" action="${action}#daily-title" class="pick">
        <input type="hidden" name="month" value="${view.month}" />
        <label for="meter">Chart</label>
        <select id="meter" name="meter">
          ${choices.map((one) => html`<option value="${one}" ${one === choice && html` selected`}>${titleOf(one)}</option>`)}
        </select>
        <button>Show</button>
      </form>
    </div>
    ${
      choice === COST &&
      html`<p class="lead">
        What each day’s usage adds to the charges, before tax. The plan covers usage within its allowances and
        inference credits.
      </p>`
    }
    <div class="card">${dailyChart(chartOf(view, cost, choice))}</div>
  </section>`;
}

function titleOf(choice: string): string {
  if (choice === COST) return COST_TITLE;
  const { meter, model } = splitMeterKey(choice);
  return labelOf(meter, model);
}

function chartOf(view: MonthView, cost: Stacks, choice: string): DailyChart {
  const { invoice, input } = view;
  const title = titleOf(choice);
  if (choice === COST) {
    const { minorDigits } = input.catalog;
    const withDigits = (value: Decimal, digits: number): string =>
      money(value.toFixed(digits), invoice.currency);
    const exact = (value: Decimal): string => withDigits(value, minorDigits);
    const short = (value: Decimal): string =>
      withDigits(value, value.isInteger() ? 0 : Math.max(minorDigits, value.decimalPlaces()));
    return { title: `${title} and day`, stacks: cost, exact, short, unit: invoice.currency };
  }
  const unit = plural(unitOf(splitMeterKey(choice).meter).name);
  return {
    title: `${title} by day, in ${unit}`,
    stacks: dailyUsage(view, choice),
    exact: (value) => `${groupDigits(value.toFixed())} ${unit}`,
    short: (value) => shortened(value.toFixed()),
    unit,
  };
}
