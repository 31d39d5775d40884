import type { Party } from '../../../billing/invoice/invoice';
import { ALERT_PERCENTS } from '../../../billing/quota/alerts-due';
import { foreign, html, live, type Html } from '../html';
import type { MonthView } from '../month-view';
import { hasQuantity, money, permille } from '../number-text';

/** Who invoices are made out to, and the budget with its alerts. */
export function billingDetails(view: MonthView): Html {
  return html`<section aria-labelledby="details-title">
    <h2 id="details-title">Billing details</h2>
    <div class="cards details">
      <div class="card">
        <h3>Billed to</h3>
        ${party(view.input.profile ?? {}, view.project)}
      </div>
      <div class="card">
        <h3>Budget and alerts</h3>
        ${budget(view)}
      </div>
    </div>
    <p class="note">To change these, contact your provider.</p>
  </section>`;
}

/** The lines of an address. What is not known is left out. */
export function party({ name, address = [], email, taxId }: Party, otherwise?: string): Html {
  const lines = [name ?? otherwise, ...address, email].filter((line) => line !== undefined);
  return html`<address>
    ${lines.map((line, i) => html`${i > 0 && html`<br />`}${foreign(line)}`)}
    ${taxId !== undefined && html`<br />Tax ID ${foreign(taxId)}`}
  </address>`;
}

function budget({ input: { profile }, invoice: { total, currency } }: MonthView): Html {
  const amount = profile?.budget;
  if (amount === undefined || !hasQuantity(amount)) {
    return html`<p>No budget is set. Alerts are sent at 80% and 100% of each allowance.</p>`;
  }
  const share = permille(total, amount);
  return html`<p>${money(amount, currency)} per month. It sends alerts, and does not stop usage.</p>
    <ul class="alerts">
      ${ALERT_PERCENTS.map(
        (percent) =>
          html`<li>
            Alert at ${percent}%:
            ${live(`alert-${percent}`, share >= percent * 10 ? html`<strong>reached</strong>` : 'not reached')}
          </li>`,
      )}
    </ul>
    <p class="note">Alerts are also sent at these shares of each allowance and of the inference credits.</p>`;
}
