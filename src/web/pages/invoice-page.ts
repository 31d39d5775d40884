import { correctsText, titleOf, type Invoice } from '../../billing/invoice/invoice';
import { linesTable } from './billing-page';
import { html, type Html } from './html';
import { money, monthName } from './number-text';

/** A month's documents (its invoice, its credit note or both) to read and download. */
export function invoicePage(documents: readonly Invoice[]): Html {
  const { project, month } = documents[0]!;
  return html` <p class="back"><a href="/projects/${project}/billing">Billing of ${project}</a></p>
    <div class="head">
      <div>
        <p class="eyebrow">${monthName(month)}</p>
        <h1>Invoices</h1>
      </div>
    </div>
    ${documents.map(documentSection)}`;
}

function documentSection(invoice: Invoice): Html {
  const { project, month, id, currency, kind, corrects } = invoice;
  const file = `/v1/projects/${project}/invoices/${id}`;
  const titleId = `${kind ?? 'invoice'}-title`;
  const sums = [
    ['Subtotal', invoice.subtotal],
    ['Credits', invoice.credits],
    ['Tax', invoice.tax],
  ].filter(([, amount]) => /[1-9]/.test(amount!));
  return html`<section class="card invoice" aria-labelledby="${titleId}">
    <div class="head">
      <div>
        <h2 id="${titleId}">${titleOf(invoice)} ${invoice.number ?? id}</h2>
        <p class="note">
          Issued ${invoice.issuedAt.slice(0, 10)} for
          ${monthName(month)}${invoice.buyer?.name !== undefined && html`, to ${invoice.buyer.name}`}
        </p>
        ${corrects !== undefined && html`<p class="note">Corrects ${correctsText(corrects)}</p>`}
      </div>
      <p class="figure">${money(invoice.total, currency)}</p>
    </div>
    <p class="downloads">
      <a class="button" href="${file}.pdf" download>Download PDF</a>
      <a class="button" href="${file}.csv" download>Download CSV</a>
      <a class="quiet" href="${file}">JSON</a>
    </p>
    ${linesTable(invoice.lines, currency, invoice.total, titleId)}
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
