import { placeOf } from '../../dead-letters/read-dead-letters';
import type { DeadLetter } from '../../dead-letters/dead-letter';
import { groupDigits } from '../../lib/text/number-text';
import { html, type Html } from './html';
import { behindOf, type LogPosition } from '../../ingest/health/log-position';
import type { MonthState, Overview } from '../../ops/overview';
import type { Spend } from '../../ops/spend';
import { replayForm } from './replay-page';
import { clock, money, monthName } from './number-text';

export interface OpsView extends Overview {
  readonly spend: Spend;
  readonly months: readonly MonthState[];
}

const LETTERS_SHOWN = 50;
const VALUE_SHOWN = 4_000;

/** The whole installation on one page: lag, dead letters, and the projects that spend most. */
export function opsPage(view: OpsView, formProof: string): Html {
  const { position, deadLetters } = view;
  const count = (number: number): string => groupDigits(String(number));
  return html` <div class="head">
      <div>
        <p class="eyebrow">Tallyman</p>
        <h1>Installation</h1>
      </div>
    </div>
    <div class="cards">
      <div class="card strong">
        <h2>Lag</h2>
        <p class="figure">${position === undefined ? 'unknown' : count(position.behind)}</p>
        <p class="note">
          ${position === undefined ? 'Kafka or Redis does not answer' : html`events not yet counted, at ${clock(position.atMs)}`}
        </p>
      </div>
      <div class="card">
        <h2>Throughput</h2>
        <p class="figure">${position === undefined ? 'unknown' : html`${count(position.perSecond)}/s`}</p>
        <p class="note">events counted, over the last 30 s</p>
      </div>
      <div class="card">
        <h2>Dead letters</h2>
        <p class="figure">
          ${deadLetters === undefined ? 'unknown' : html`${count(deadLetters.letters.length)}${deadLetters.isCut && '+'}`}
        </p>
        <p class="note">rejected events</p>
      </div>
    </div>
    ${partitions(position)} ${letters(view, formProof)} ${spend(view)}
    <section aria-labelledby="months-title">
      <h2 id="months-title">Months</h2>
      <div class="card scroll" tabindex="0" role="group" aria-labelledby="months-title">
        <table>
          <thead>
            <tr>
              <th scope="col">Month</th>
              <th scope="col">Status</th>
              <th scope="col">Closed</th>
              <th scope="col" class="number">Projects with usage</th>
            </tr>
          </thead>
          <tbody>
            ${view.months.map(
              ({ month, closedAt, projects }) =>
                html`<tr>
                  <th scope="row">${monthName(month)}</th>
                  <td>
                    ${
                      closedAt !== undefined
                        ? html`<span class="status ok">Closed</span>`
                        : month < view.month
                          ? html`<span class="status late">Ended, not closed</span>`
                          : html`<span class="status open">Open</span>`
                    }
                  </td>
                  <td>${closedAt?.slice(0, 16).replace('T', ' ')}</td>
                  <td class="number">${count(projects)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </section>`;
}

function partitions(position: LogPosition | undefined): Html | false {
  if (position === undefined) return false;
  const topics = [...new Set(position.partitions.map(({ topic }) => topic))];
  const numbers = [...new Set(position.partitions.map(({ partition }) => partition))].sort((a, b) => a - b);
  return html`<section aria-labelledby="lag-title">
    <h2 id="lag-title">Lag by partition</h2>
    <div class="card scroll" tabindex="0" role="group" aria-labelledby="lag-title">
      <table>
        <thead>
          <tr>
            <th scope="col">Topic</th>
            ${numbers.map((number) => html`<th scope="col" class="number">${number}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${topics.map(
            (topic) =>
              html`<tr>
                <th scope="row">${topic}</th>
                ${numbers.map((number) => {
                  const found = position.partitions.find(
                    (one) => one.topic === topic && one.partition === number,
                  );
                  const behind = found === undefined ? 0 : behindOf(found);
                  return html`<td class="number">
                    ${
                      found !== undefined &&
                      html`<abbr
                        title="${groupDigits(String(found.cursor ?? 0))} of ${groupDigits(String(found.end))}"
                        >${groupDigits(String(behind))}</abbr
                      >`
                    }
                  </td>`;
                })}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function letters({ deadLetters }: OpsView, formProof: string): Html {
  if (deadLetters === undefined) {
    return html`<section>
      <h2>Dead letters</h2>
      <p class="empty">Kafka does not answer.</p>
    </section>`;
  }
  const reasons = new Map<string, { letters: number; waiting: number }>();
  for (const { reason, replayedAt } of deadLetters.letters) {
    const { letters, waiting } = reasons.get(reason) ?? { letters: 0, waiting: 0 };
    reasons.set(reason, { letters: letters + 1, waiting: waiting + (replayedAt === undefined ? 1 : 0) });
  }
  return html`<section aria-labelledby="letters-title">
    <h2 id="letters-title">Dead letters</h2>
    ${deadLetters.letters.length === 0 && html`<p class="empty">None. Every event was counted.</p>`}
    ${
      deadLetters.isCut &&
      html`<p class="lead">
        The newest of each partition. <code>tallyman dead-letters list</code> shows all.
      </p>`
    }
    ${
      reasons.size > 0 &&
      html`<ul class="plans">
          ${[...reasons]
            .sort(([, a], [, b]) => b.letters - a.letters)
            .map(
              ([reason, { letters, waiting }]) =>
                html`<li class="card">
                  <h3>${reason}</h3>
                  <p class="figure">${groupDigits(String(letters))}</p>
                  ${waiting < letters && html`<p class="note">${groupDigits(String(letters - waiting))} replayed</p>`}
                  ${waiting > 0 && replayForm({ reason }, formProof)}
                </li>`,
            )}
        </ul>
        <div class="card letters">
          ${deadLetters.letters.slice(0, LETTERS_SHOWN).map((one) => letter(one, formProof))}
        </div>`
    }
  </section>`;
}

function letter(one: DeadLetter, formProof: string): Html {
  const place = placeOf(one);
  const text = one.value === null ? '(no value)' : Buffer.from(one.value, 'base64').toString('utf8');
  return html`<div class="letter">
    <details>
      <summary><span class="status">${one.reason}</span> ${one.detail}</summary>
      <p class="note">${place}, ${new Date(one.timestamp).toISOString()}</p>
      <pre tabindex="0">${text.slice(0, VALUE_SHOWN)}${text.length > VALUE_SHOWN && '…'}</pre>
      ${
        one.replayedAt === undefined
          ? replayForm({ place }, formProof)
          : html`<p class="note">Replayed at ${one.replayedAt}</p>`
      }
    </details>
  </div>`;
}

function spend({ spend: { projects, priced, isCut, atMs }, month, currency }: OpsView): Html {
  return html`<section aria-labelledby="spend-title">
    <h2 id="spend-title">Projects by spend</h2>
    <p class="lead">
      ${monthName(month)} so far: the biggest of ${groupDigits(String(priced))}
      projects${isCut && ' that were priced; there are more'}, at ${clock(atMs)}.
    </p>
    <div class="card scroll" tabindex="0" role="group" aria-labelledby="spend-title">
      <table>
        <thead>
          <tr>
            <th scope="col">Project</th>
            <th scope="col">Plan</th>
            <th scope="col" class="number">Charges so far</th>
          </tr>
        </thead>
        <tbody>
          ${projects.map(
            ({ project, plan, total }) =>
              html`<tr>
                <th scope="row"><a href="/projects/${project}/billing">${project}</a></th>
                <td>${plan}</td>
                <td class="number">${money(total, currency)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}
