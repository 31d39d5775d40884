import type { Invoice } from '../billing/invoice';
import { linesTable } from './billing-page';
import { html, type Html } from './html';
import { money, monthName } from './shown';

/** A month's invoice, to be read and downloaded. */
export function invoicePage(invoice: Invoice): Html {
  const { project, month, id, currency } = invoice;
  const file = `/v1/projects/${project}/invoices/${id}`;
  const sums = [
    ['Subtotal', invoice.subtotal],
    ['Credits', invoice.credits],
    ['Tax', invoice.tax],
  ].filter(([, amount]) => /[1-9]/.test(amount!));
  return html` <p class="back"><a href="/projects/${project}/billing">Billing of ${project}</a></p>
    <div class="head">
      <div>
        <p class="eyebrow">${monthName(month)}</p>
        <h1>Invoices</h1>
      </div>
    </div>
    <section class="card invoice" aria-labelledby="invoice-title">
      <div class="head">
        <div>
          <h2 id="invoice-title">Invoice ${invoice.number ?? id}</h2>
          <p class="note">
            Issued ${invoice.issuedAt.slice(0, 10)} for
            ${monthName(month)}${invoice.buyer?.name !== undefined && html`, to ${invoice.buyer.name}`}
          </p>
        </div>
        <p class="figure">${money(invoice.total, currency)}</p>
      </div>
      <p class="downloads">
        <a class="button" href="${file}.pdf" download>Download PDF</a>
        <a class="button" href="${file}.csv" download>Download CSV</a>
        <a class="quiet" href="${file}">JSON</a>
      </p>
      ${linesTable(invoice.lines, currency, invoice.total, 'invoice-title')}
      <dl class="sums">
        ${sums.map(
          ([name, amount]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${money(amount!, currency)}</dd>
            </div>`,
        )}
      </dl>
    </section>`;
}
