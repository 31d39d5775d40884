import type { InvoiceListItem, ProjectListItem } from '../../../../schemas/types';
import {
  INVOICE_STATUSES,
  PROJECT_STATUSES,
  type InvoicesQuery,
  type ProjectsQuery,
} from '../../api/installation-routes';
import { withCode } from '../api-docs-page';
import { foreign, html, type Html, type HtmlPart } from '../html';
import { money, monthName } from '../number-text';

interface Found<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

const STATUS_WORDS: Readonly<Record<InvoiceListItem['status'] | ProjectListItem['status'], string>> = {
  issued: 'Issued',
  open: 'Open',
  draft: 'Draft',
  held: 'Held',
  nothing_due: 'Nothing due',
  active: 'With usage',
  idle: 'No usage',
};

/** All projects, page by page, with a search. */
export function projectListPage(
  query: ProjectsQuery,
  plans: readonly string[],
  { items, nextCursor }: Found<ProjectListItem>,
  currency: string,
): Html {
  return html`${heading('Projects')} ${searchForm(query.search)}
    <form method="get" action="/ops/projects" class="pick filters">
      ${query.search !== undefined && html`<input type="hidden" name="search" value="${query.search}" />`}
      ${choice('plan', 'Plan', plans, query.plan)}
      ${choice('status', 'Usage', PROJECT_STATUSES, query.status)}
      <button>Show</button>
    </form>
    ${
      items.length === 0
        ? html`<p class="empty">
            ${nextCursor === null ? 'No projects.' : 'None in this part of the list.'}
          </p>`
        : table(
            'Projects',
            ['Project', 'Name', 'Plan', 'This month', 'Budget'],
            items.map(
              ({ project, name, plan, status, budget }) =>
                html`<tr>
                  <th scope="row"><a href="/projects/${project}/billing">${project}</a></th>
                  ${cell('Name', name !== null && foreign(name))}
                  ${cell('Plan', plan ?? html`<span class="status late">Unreadable</span>`)}
                  ${cell('This month', STATUS_WORDS[status])}
                  ${cell('Budget', budget !== null && money(budget, currency), 'number')}
                </tr>`,
            ),
          )
    }
    ${pager('/ops/projects', query, nextCursor)}`;
}

/** The invoices of a month, or of all months, as one list. */
export function invoiceListPage(
  query: InvoicesQuery,
  { plans, months }: { readonly plans: readonly string[]; readonly months: readonly string[] },
  { items, nextCursor }: Found<InvoiceListItem>,
): Html {
  const { month, plan, status = 'issued' } = query;
  const csv = month !== undefined && status === 'issued' && addressOf('/v1/invoices.csv', { month, plan });
  const monthChoices = month === undefined || months.includes(month) ? months : [month, ...months];
  return html`${heading('Invoices')}
    <form method="get" action="/ops/invoices" class="pick filters">
      ${choice('month', 'Month', monthChoices, month, monthName)} ${choice('plan', 'Plan', plans, plan)}
      ${choice('status', 'Status', INVOICE_STATUSES.slice(1), query.status, wordOf, 'Issued')}
      <button>Show</button>
      ${csv && html`<a class="button" href="${csv}" download>Download CSV</a>`}
    </form>
    ${
      status !== 'issued' &&
      html`<p class="lead">Not issued. The amounts are what the month would cost if it were closed now.</p>`
    }
    ${
      items.length === 0
        ? html`<p class="empty">
            ${nextCursor === null ? 'No invoices.' : 'None in this part of the list.'}
          </p>`
        : table('Invoices', ['Project', 'Month', 'Number', 'Plan', 'Status', 'Total'], items.map(invoiceRow))
    }
    ${pager('/ops/invoices', query, nextCursor)}`;
}

const wordOf = (status: string): string => STATUS_WORDS[status as InvoiceListItem['status']];

function invoiceRow(item: InvoiceListItem): Html {
  const { project, month, number, kind, plan, status, total, currency, problem } = item;
  const address =
    status === 'issued'
      ? `/projects/${project}/billing/${month}`
      : `/projects/${project}/billing?month=${month}`;
  const look = { issued: 'issued', open: 'open', draft: 'draft', held: 'late', nothing_due: '' }[status];
  return html`<tr>
    <th scope="row"><a href="${address}">${project}</a></th>
    ${cell('Month', monthName(month), 'short')} ${cell('Number', number)} ${cell('Plan', plan)}
    <td>
      <span class="status ${look}">${kind === 'credit_note' ? 'Credit note' : STATUS_WORDS[status]}</span>
      ${problem !== undefined && html`<p class="note">${problem.detail} ${withCode(problem.remedy)}</p>`}
    </td>
    <td class="number money">${total !== null && money(total, currency)}</td>
  </tr>`;
}

/** The search for a project, which every page of the installation has. */
export function searchForm(search = ''): Html {
  return html`<form method="get" action="/ops/projects" class="pick" role="search">
    <label for="search">Find a project</label>
    <input
      type="search"
      id="search"
      name="search"
      value="${search}"
      placeholder="Id or name"
      maxlength="128"
    />
    <button>Find</button>
  </form>`;
}

function heading(title: string): Html {
  return html`<p class="back"><a href="/ops">Back to the installation</a></p>
    <p class="eyebrow">Installation</p>
    <h1>${title}</h1>`;
}

function choice(
  name: string,
  label: string,
  values: readonly string[],
  chosen: string | undefined,
  wordOf = (value: string): string => STATUS_WORDS[value as InvoiceListItem['status']] ?? value,
  anyWord = 'All',
): Html {
  return html`<label for="${name}">${label}</label>
    <select id="${name}" name="${name}">
      <option value="">${anyWord}</option>
      ${values.map(
        (value) =>
          html`<option value="${value}" ${value === chosen && html`selected`}>${wordOf(value)}</option>`,
      )}
    </select>`;
}

/** A cell of a table that is a list of cards on a phone, where its column is named in it. */
export function cell(column: string, value: HtmlPart, look = ''): Html {
  const isEmpty = value === null || value === undefined || value === false || value === '';
  return html`<td class="${look}${isEmpty && ' none'}" data-label="${column}">${value}</td>`;
}

function table(title: string, columns: readonly string[], rows: HtmlPart): Html {
  return html`<div class="card scroll" tabindex="0" role="group" aria-label="${title}">
    <table class="cards-on-phone">
      <thead>
        <tr>
          ${columns.map(
            (column) =>
              html`<th scope="col" ${['Total', 'Budget'].includes(column) && html`class="number"`}>
                ${column}
              </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function pager(
  path: string,
  { cursor, ...filters }: ProjectsQuery | InvoicesQuery,
  nextCursor: string | null,
): Html | false {
  if (cursor === undefined && nextCursor === null) return false;
  return html`<nav class="pick filters" aria-label="Pages">
    ${cursor !== undefined && html`<a class="button" href="${addressOf(path, filters)}">First page</a>`}
    ${nextCursor !== null && html`<a class="button" rel="next" href="${addressOf(path, { ...filters, cursor: nextCursor })}">Next page</a>`}
  </nav>`;
}

function addressOf(path: string, query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined) as [string, string][];
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
}
