import type { QuotaUsage } from '../../../billing/quota/quota-usage';
import { foreign, html, live, type Html } from '../html';
import type { MonthView } from '../month-view';
import { amountAlone, hasQuantity, percentText, periodName, permille, quantity } from '../number-text';
import { bar } from './cost-summary';

/** An allowance is near its end from here on: the same share at which an alert is sent. */
const NEAR_THOUSANDTHS = 800;

/** What the plan includes: first what is over or near it, the rest folded. */
export function allowances({ quotas, invoice, pricingPeriods }: MonthView): Html {
  const shown = quotas
    .filter(({ included, used }) => hasQuantity(included) || hasQuantity(used))
    .map((quota, i) => ({ quota, key: `quota-${i}`, isNear: isNear(quota) }));
  const near = shown.filter(({ isNear }) => isNear);
  const rest = shown.filter(({ isNear }) => !isNear);
  const list = (some: typeof shown): Html =>
    html`<ul class="quotas">
      ${some.map(({ quota, key }) => allowance(quota, key, invoice.currency, pricingPeriods.length > 1))}
    </ul>`;
  return html`<section aria-labelledby="allowances-title">
    <h2 id="allowances-title">Over or near the allowance</h2>
    ${
      near.length > 0
        ? list(near)
        : html`<p class="empty">Every allowance is less than ${percentText(NEAR_THOUSANDTHS)} used.</p>`
    }
    ${
      rest.length > 0 &&
      html`<details class="more" id="more-allowances">
        <summary>
          ${near.length > 0 ? 'All other usage and allowances' : 'All usage and allowances'} (${rest.length})
        </summary>
        ${list(rest)}
      </details>`
    }
  </section>`;
}

const isNear = ({ used, included }: QuotaUsage): boolean =>
  hasQuantity(included) && permille(used, included) >= NEAR_THOUSANDTHS;

function allowance(quota: QuotaUsage, key: string, currency: string, isSplit: boolean): Html {
  const { name, unit, used, included, period } = quota;
  const has = hasQuantity(included);
  return html`<li class="card">
    <h3>${foreign(name)}${isSplit && period !== undefined && html` <small>${periodName(period)}</small>`}</h3>
    <p class="amount">
      <strong
        >${live(`${key}-used`, has ? amountAlone(used, unit, currency) : quantity(used, unit, currency))}</strong
      >${has && html` of ${quantity(included, unit, currency)}`}
    </p>
    ${has && live(`${key}-bar`, bar(`${name}, used`, permille(used, included)))}
    <p class="note">${live(`${key}-note`, noteOf(quota, currency))}</p>
  </li>`;
}

function noteOf({ unit, used, included, remaining, over, beyond }: QuotaUsage, currency: string): Html {
  if (beyond === 'free') return html`Free of charge`;
  if (!hasQuantity(included))
    return beyond === 'block' ? html`Not included in your plan` : html`Not included; billed per use`;
  if (hasQuantity(over))
    return html`${quantity(over, unit, currency)} over, ${beyond === 'block' ? 'not billed' : 'billed'}`;
  return html`${quantity(remaining, unit, currency)} left, ${percentText(permille(used, included))} used`;
}
