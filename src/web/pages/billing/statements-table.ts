import { html, live, type Html } from '../html';
import { money, monthName } from '../number-text';
import type { Statement } from '../statements';

export interface StatementsTable {
  readonly project: string;
  /** The month of the page. */
  readonly month: string;
  readonly statements: readonly Statement[];
  /** The month from which earlier ones are listed, if there are any. */
  readonly earlier: string | undefined;
}

const STATUS: Readonly<Record<Statement['status'], string>> = {
  open: 'Open',
  closing: 'Closing',
  issued: 'Issued',
  draft: 'Waiting for a price',
  nothing_due: 'Nothing due',
  credit_note: 'Credit note',
};

/** The others are folded. */
const SHOWN = 3;

/** The project's months with their invoices. */
export function statementsTable(shown: StatementsTable): Html {
  const { project, month, statements, earlier } = shown;
  const rest = statements.slice(SHOWN);
  return html`<section aria-labelledby="statements-title">
    <h2 id="statements-title">Statements</h2>
    <div class="card statements">
      ${table(statements.slice(0, SHOWN), project, 'newest')}
      ${
        rest.length > 0 &&
        html`<details class="more" id="more-statements">
          <summary>${rest.length} more statements</summary>
          ${table(rest, project, 'earlier')}
        </details>`
      }
      ${
        earlier !== undefined &&
        html`<p>
          <a href="/projects/${project}/billing?month=${month}&amp;before=${earlier}#statements-title"
            >Statements before ${monthName(earlier)}</a
          >
        </p>`
      }
    </div>
  </section>`;
}

const table = (statements: readonly Statement[], project: string, key: string): Html =>
  html`<table class="cards-on-phone">
    <caption class="hidden">
      Statements
    </caption>
    <thead>
      <tr>
        <th scope="col">Month</th>
        <th scope="col">Status</th>
        <th scope="col" class="number">Total</th>
        <th scope="col"><span class="hidden">Invoices</span></th>
      </tr>
    </thead>
    <tbody>
      ${statements.map((statement, i) => row(statement, project, `${key}-${i}`))}
    </tbody>
  </table>`;

function row({ month, status, total, currency }: Statement, project: string, key: string): Html {
  const hasDocument = status === 'issued' || status === 'credit_note';
  return html`<tr>
    <th scope="row"><a href="/projects/${project}/billing?month=${month}">${monthName(month)}</a></th>
    <td><span class="status ${status}">${STATUS[status]}</span></td>
    <td class="number money">${live(`${key}-total`, money(total, currency))}</td>
    <td class="documents">
      ${
        hasDocument &&
        html`<a class="button" href="/projects/${project}/billing/${month}"
          >View Invoices<span class="hidden"> for ${monthName(month)}</span></a
        >`
      }
    </td>
  </tr>`;
}
