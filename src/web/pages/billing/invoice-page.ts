import { correctsText, titleOf, type Invoice } from '../../../billing/invoice/invoice';
import { foreign, html, type Html } from '../html';
import { dateName, money, monthName } from '../number-text';
import { party } from './billing-details';
import { lineList } from './charges';

/** A month's documents (its invoice, its credit note or both) to read, print and download. */
export function invoicePage(documents: readonly Invoice[]): Html {
  const { project, month } = documents[0]!;
  return html`<p class="back"><a href="/projects/${project}/billing">Back to billing</a></p>
    <div class="head">
      <div>
        <p class="eyebrow">${project}</p>
        <h1>Invoices for ${monthName(month)}</h1>
      </div>
    </div>
    ${documents.map(documentSection)}`;
}

function documentSection(invoice: Invoice): Html {
  const { project, month, id, currency, kind, corrects, seller, buyer } = invoice;
  const file = `/v1/projects/${project}/invoices/${id}`;
  const key = kind ?? 'invoice';
  return html`<section class="card invoice" aria-labelledby="${key}-title">
    <div class="head">
      <div>
        <h2 id="${key}-title">${titleOf(invoice)} ${invoice.number ?? id}</h2>
        <p class="note">Issued on ${dateName(invoice.issuedAt)} for ${monthName(month)}</p>
        ${corrects !== undefined && html`<p class="note">Corrects ${correctsText(corrects, monthName)}</p>`}
      </div>
      <p class="figure">${money(invoice.total, currency)}</p>
    </div>
    <p class="downloads">
      <a class="button" href="${file}.pdf" download>Download PDF</a>
      <a class="button" href="${file}.csv" download>Download CSV</a>
      <a class="quiet" href="${file}">View JSON</a>
    </p>
    <div class="parties">
      ${
        seller !== undefined &&
        html`<div>
          <h3>From</h3>
          ${party(seller)}
        </div>`
      }
      <div>
        <h3>Billed to</h3>
        ${party(buyer ?? {}, project)}
      </div>
    </div>
    ${lineList(invoice, key)}
    ${seller?.note !== undefined && html`<p class="note">${foreign(seller.note)}</p>`}
  </section>`;
}
