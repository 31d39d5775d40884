import type { Invoice, InvoiceLine } from '../../../billing/invoice/invoice';
import { Decimal, sum } from '../../../billing/pricing/decimal';
import { labelOf } from '../../../billing/pricing/units';
import { lineGroups, type LineGroup } from '../../../pdf/line-groups';
import { isInference } from '../../../rating/meters';
import { foreign, html, live, type Html } from '../html';
import type { MonthView } from '../month-view';
import { hasQuantity, money, NO_PRICE, periodName, priceText, quantity } from '../number-text';

/** A longer list of lines is folded, */
const LINES_MAX = 10;
/** and this many stay: those with the greatest amounts. */
const LINES_SHOWN = 6;

/** The lines of the month in groups, as the invoice will have them or has them. */
export function charges({ invoice, creditNote, status }: MonthView): Html {
  return html`<section aria-labelledby="charges-title">
    <h2 id="charges-title">${status === 'issued' ? 'Charges' : 'Charges so far, by line'}</h2>
    ${lineList(invoice, 'line')}
    ${
      creditNote !== undefined &&
      html`<h3 id="credited-title">Credit note ${creditNote.number ?? ''}</h3>
        <p class="lead">
          Corrections of earlier months exceed this month’s charges. A credit note refunds
          them${creditNote.number === null && ' when the month is closed'}.
        </p>
        ${lineList(creditNote, 'credited')}`
    }
  </section>`;
}

/**
 * The lines of a document in groups with subtotals, and what they amount to.
 *
 * @param key begins the keys of its numbers
 */
export function lineList(invoice: Invoice, key: string): Html {
  if (invoice.lines.length === 0) return html`<p class="empty">Nothing yet.</p>`;
  return html`<div class="card lines">
    <p class="columns" aria-hidden="true">
      <span>Line</span>${COLUMNS.map(({ title }) => html`<span>${title}</span>`)}<span>Amount</span>
    </p>
    ${lineGroups(invoice.lines).map((group, i) => lineGroup(group, invoice, `${key}-${i}`))}
    ${sums(invoice, key)}
  </div>`;
}

const EXPLAINED: Readonly<Record<string, string>> = {
  late: 'Usage of an earlier month that arrived after that month was closed, at the prices of that month.',
  credit: 'Credits of the plan, corrections, and usage that the plan does not charge.',
};

function lineGroup({ title, lines }: LineGroup, invoice: Invoice, key: string): Html {
  const isModels = lines.every(({ meter }) => meter !== undefined && isInference(meter));
  const ordered = isModels ? byModel(lines) : lines;
  const isLong = lines.length > LINES_MAX;
  const shown = isLong ? byAmount(ordered).slice(0, LINES_SHOWN) : ordered;
  const rest = ordered.filter((line) => !shown.includes(line));
  const explained = EXPLAINED[lines[0]!.kind];
  const table = (some: readonly InvoiceLine[], part: string): Html =>
    lineTable(some, invoice, `${key}${part}`, title, isModels);
  return html`<div class="group">
    <h3>
      ${title}
      <span class="number"
        >${live(`${key}-subtotal`, money(amountOf(lines, invoice), invoice.currency))}</span
      >
    </h3>
    ${explained !== undefined && html`<p class="note">${explained}</p>`} ${table(shown, 'a')}
    ${
      rest.length > 0 &&
      html`<details class="more" id="${key}-more">
        <summary>
          ${rest.length} more lines, ${live(`${key}-rest`, money(amountOf(rest, invoice), invoice.currency))}
        </summary>
        ${table(rest, 'b')}
      </details>`
    }
  </div>`;
}

function amountOf(lines: readonly InvoiceLine[], { total }: Invoice): string {
  return sum(lines.map(({ amount }) => new Decimal(amount ?? 0))).toFixed(total.split('.')[1]?.length ?? 0);
}

const byModel = (lines: readonly InvoiceLine[]): InvoiceLine[] =>
  lines.toSorted((a, b) => (a.model === b.model ? 0 : (a.model ?? '') < (b.model ?? '') ? -1 : 1));

const byAmount = (lines: readonly InvoiceLine[]): InvoiceLine[] =>
  lines.toSorted((a, b) => new Decimal(b.amount ?? 0).cmp(new Decimal(a.amount ?? 0)));

/**
 * A table has a head for those who hear it. For the eye one head is above all groups, and on a
 * phone each line is a card with labels.
 */
function lineTable(
  lines: readonly InvoiceLine[],
  invoice: Invoice,
  key: string,
  title: string,
  isModels: boolean,
): Html {
  return html`<table class="cards-on-phone">
    <caption class="hidden">
      ${title}
    </caption>
    <colgroup>
      <col />
      ${COLUMNS.map(() => html`<col />`)}
      <col />
    </colgroup>
    <thead>
      <tr>
        <th scope="col">${isModels ? 'Model' : 'Line'}</th>
        ${COLUMNS.map(({ title: column }) => html`<th scope="col" class="number">${column}</th>`)}
        <th scope="col" class="number">Amount</th>
      </tr>
    </thead>
    <tbody>
      ${lines.map((line, i) => lineRow(line, invoice, `${key}${i}`, isModels))}
    </tbody>
  </table>`;
}

interface Column {
  readonly title: string;
  /** Undefined where it means nothing: money has no quantity. */
  readonly of: (line: InvoiceLine, invoice: Invoice) => Html | string | undefined;
}

const COLUMNS: readonly Column[] = [
  { title: 'Quantity', of: (line, { currency }) => unlessMoney(line, currency, line.quantity) },
  {
    title: 'Included',
    of: (line, { currency }) =>
      hasQuantity(line.included) ? quantity(line.included, line.unit, currency) : undefined,
  },
  {
    title: 'Billable',
    of: (line, { currency }) =>
      line.kind === 'plan' ? undefined : unlessMoney(line, currency, line.billable),
  },
  {
    title: 'Price',
    of: (line, invoice) => (line.unit === invoice.currency ? undefined : priceText(line, invoice)),
  },
];

const unlessMoney = ({ unit }: InvoiceLine, currency: string, amount: string): Html | undefined =>
  unit === currency ? undefined : quantity(amount, unit, currency);

function lineRow(line: InvoiceLine, invoice: Invoice, key: string, isModels: boolean): Html {
  const { kind, period, amount } = line;
  return html`<tr class="${kind}">
    <th scope="row">
      ${nameOf(line, isModels)}${period !== undefined && html` <small>${periodName(period)}</small>`}
    </th>
    ${COLUMNS.map(({ title, of }, i) => {
      const value = of(line, invoice);
      return value === undefined
        ? html`<td class="number none"></td>`
        : html`<td class="number" data-label="${title}">${live(`${key}-${i}`, value)}</td>`;
    })}
    <td class="number money">
      ${live(`${key}-amount`, amount === null ? NO_PRICE : money(amount, invoice.currency))}
    </td>
  </tr>`;
}

function nameOf({ kind, meter, model, description }: InvoiceLine, isModels: boolean): Html {
  if (isModels && model !== undefined) {
    const tier = description.startsWith(labelOf(meter!, model))
      ? description.slice(labelOf(meter!, model).length)
      : '';
    return html`${foreign(model)} <small>${labelOf(meter!)}${tier}</small>`;
  }
  // The documents have a space before the percent sign of a tax.
  return foreign(kind === 'tax' ? description.replace(/(\d) %/, '$1%') : description);
}

/** The subtotal, what comes off it and onto it, and then the total. */
function sums({ subtotal, credits, tax, total, currency }: Invoice, key: string): Html {
  const before = [
    ['Subtotal', subtotal],
    ['Credits', credits],
    ['Tax', tax],
  ] as const;
  return html`<dl class="sums">
    ${before
      .filter(([, amount]) => hasQuantity(amount))
      .map(
        ([name, amount]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${live(`${key}-${name}`, money(amount, currency))}</dd>
          </div>`,
      )}
    <div class="total">
      <dt>Total</dt>
      <dd data-total>${live(`${key}-total`, money(total, currency))}</dd>
    </div>
  </dl>`;
}
