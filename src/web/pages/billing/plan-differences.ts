import type { PlanComparison } from '../../../billing/invoice/compare-plans';
import { Decimal } from '../../../billing/pricing/decimal';
import { foreign, html, live, type Html } from '../html';
import { money } from '../number-text';

export interface PlanDifferences {
  /** What the same usage costs on the project's own terms. */
  readonly ownTotal: string;
  readonly plan: string;
  readonly currency: string;
  readonly comparisons: readonly PlanComparison[];
}

/** What the month's usage would cost on the other plans, as a difference. */
export function planDifferences({
  ownTotal,
  plan: own,
  currency,
  comparisons,
}: PlanDifferences): Html | false {
  const others = comparisons.filter(({ plan }) => plan !== own);
  if (others.length === 0) return false;
  return html`<section aria-labelledby="plans-title">
    <h2 id="plans-title">This usage on other plans</h2>
    <p class="lead">This month so far at list prices, without late usage and corrections.</p>
    <ul class="plans">
      ${others.map(
        ({ plan, name, outcome: { invoice, overQuota } }) =>
          html`<li class="card">
            <h3>${foreign(name)}</h3>
            ${live(
              `plan-${plan}`,
              overQuota.length > 0
                ? html`<span class="difference">Would have stopped your usage</span>
                    <span class="note"
                      >Over its allowance:
                      ${overQuota.map((one, i) => [i > 0 && ', ', foreign(one.name)])}</span
                    >`
                : html`<span class="difference">${difference(invoice.total, ownTotal, currency)}</span>
                    <span class="note">Covers your usage</span>`,
            )}
          </li>`,
      )}
    </ul>
  </section>`;
}

function difference(total: string, ownTotal: string, currency: string): string {
  const more = new Decimal(total).minus(ownTotal);
  if (more.isZero()) return 'Would have cost the same';
  const digits = total.split('.')[1]?.length ?? 0;
  return `Would have cost ${money(more.abs().toFixed(digits), currency)} ${more.isNegative() ? 'less' : 'more'}`;
}
