import { placeOf } from '../../../dead-letters/read-dead-letters';
import type { DeadLetter } from '../../../dead-letters/dead-letter';
import { groupDigits } from '../../../lib/text/number-text';
import { html, type Html } from '../html';
import type { Health } from '../../../ingest/health/check-health';
import {
  behindOf,
  stuckPartitions,
  type LogPosition,
  type PartitionPosition,
} from '../../../ingest/health/log-position';
import type { MonthState, Overview } from '../../../ops/overview';
import type { Spend } from '../../../ops/spend';
import { PROBLEM_GUIDE } from '../../../ops/problem-guide';
import { withCode } from '../api-docs-page';
import { cell, searchForm } from './list-pages';
import { replayForm } from './replay-page';
import { clock, money, monthName } from '../number-text';

export interface OpsView extends Overview {
  readonly health: Health;
  readonly spend: Spend | undefined;
  readonly months: readonly MonthState[] | undefined;
}

const LETTERS_SHOWN = 50;
const SUBJECTS_SHOWN = 20;
const VALUE_SHOWN = 4_000;

/** The whole installation on one page: lag, dead letters, and the projects that spend most. */
export function opsPage(view: OpsView, stuckAfterMs: number, formProof: string): Html {
  const { position, deadLetters } = view;
  return html` <div class="head">
      <div>
        <p class="eyebrow">Tallyman</p>
        <h1>Installation</h1>
      </div>
      <p class="downloads">
        <a class="button" href="/ops/invoices">Invoices</a>
        <a class="button" href="/docs">API</a>
      </p>
    </div>
    ${searchForm()} ${problems(view.health)}
    <div class="cards">
      <div class="card">
        <h2>Lag</h2>
        <p class="figure">${position === undefined ? 'unknown' : groupDigits(position.behind)}</p>
        <p class="note">
          ${position === undefined ? 'Kafka or Redis does not answer' : html`events not yet counted, at ${clock(position.atMs)}`}
        </p>
      </div>
      <div class="card">
        <h2>Throughput</h2>
        <p class="figure">
          ${position === undefined ? 'unknown' : html`${groupDigits(position.perSecond)}/s`}
        </p>
        <p class="note">events counted, over the last 30 s</p>
      </div>
      <div class="card">
        <h2>Dead letters</h2>
        <p class="figure">
          ${deadLetters === undefined ? 'unknown' : html`${groupDigits(deadLetters.letters.length)}${deadLetters.isCut && '+'}`}
        </p>
        <p class="note">rejected events</p>
      </div>
    </div>
    ${partitions(position, stuckAfterMs)} ${months(view)} ${letters(view, formProof)} ${spend(view)}`;
}

/** What is wrong, what it means, and what to do. */
function problems({ problems: found }: Health): Html {
  if (found.length === 0) {
    return html`<p class="notice good">All partitions are read, and Kafka and Redis answer.</p>`;
  }
  const codes = [...new Set(found.map(({ code }) => code))];
  return html`<section aria-labelledby="problems-title">
    <h2 id="problems-title">Problems</h2>
    ${codes.map((code) => {
      const { title, meaning, remedy } = PROBLEM_GUIDE[code];
      const same = found.filter((one) => one.code === code);
      return html`<div class="card problem">
        <h3>${title}</h3>
        <p>${meaning} <strong>${withCode(remedy)}</strong></p>
        <ul>
          ${same.slice(0, SUBJECTS_SHOWN).map(({ subject, detail }) => html`<li><code>${subject}</code>: ${detail}</li>`)}
        </ul>
        ${same.length > SUBJECTS_SHOWN && html`<p class="note">and ${groupDigits(same.length - SUBJECTS_SHOWN)} more</p>`}
        <p class="note">${code}</p>
      </div>`;
    })}
  </section>`;
}

function months({ months: shown }: OpsView): Html {
  return html`<section aria-labelledby="months-title">
    <h2 id="months-title">Months</h2>
    ${
      shown === undefined
        ? html`<p class="empty">Not available now. The log of this server says why.</p>`
        : html`<div class="card scroll" tabindex="0" role="group" aria-labelledby="months-title">
            <table class="cards-on-phone">
              <thead>
                <tr>
                  <th scope="col">Month</th>
                  <th scope="col">Status</th>
                  <th scope="col">What it needs</th>
                  <th scope="col" class="number">Projects with usage</th>
                  <th scope="col" class="number">Invoiced</th>
                </tr>
              </thead>
              <tbody>
                ${shown.map(
                  (one) =>
                    html`<tr>
                      <th scope="row">
                        <a href="/ops/invoices?month=${one.month}">${monthName(one.month)}</a>
                      </th>
                      <td><span class="status ${STATE_LOOKS[one.state]}">${STATE_WORDS[one.state]}</span></td>
                      <td class="need">${needOf(one)}</td>
                      ${cell('Projects with usage', groupDigits(one.projects), 'number')}
                      ${cell('Invoiced', groupDigits(one.invoiced), 'number')}
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>`
    }
  </section>`;
}

const STATE_WORDS: Readonly<Record<MonthState['state'], string>> = {
  open: 'Open',
  due: 'Ended, not closed',
  closing: 'Closing',
  unfinished: 'Invoices left',
  closed: 'Closed',
};
const STATE_LOOKS: Readonly<Record<MonthState['state'], string>> = {
  open: 'open',
  due: 'late',
  closing: 'open',
  unfinished: 'late',
  closed: 'ok',
};

function needOf({ month, state, closedAt, cutOff, invoiced, projects }: MonthState): Html | string {
  switch (state) {
    case 'open':
      return '';
    case 'due':
      return html`Its usage is not billed yet. Run <code>tallyman close ${month}</code>.`;
    case 'closing': {
      const isCut = cutOff.shards === cutOff.of;
      const [done, all] = isCut ? [invoiced, Math.max(invoiced, projects)] : [cutOff.shards, cutOff.of];
      const text = `${groupDigits(done)} of ${isCut ? 'about ' : ''}${groupDigits(all)} ${isCut ? 'projects invoiced' : 'shards cut off'}`;
      return html`<progress
          max="${String(all)}"
          value="${String(done)}"
          aria-label="Close of ${monthName(month)}"
        >
          ${text}
        </progress>
        ${text}. If this does not move, the close was interrupted.
        <code>tallyman close ${month}</code> continues it.`;
    }
    case 'unfinished':
      return html`Some projects have no invoice yet:
        <a href="/ops/invoices?month=${month}&amp;status=draft">drafts</a> lack a price, and
        <a href="/ops/invoices?month=${month}&amp;status=held">held ones</a> cannot be priced. After that is
        solved, run <code>tallyman close ${month}</code> again.`;
    case 'closed':
      return html`Closed at ${closedAt?.slice(0, 16).replace('T', ' ')}`;
  }
}

function partitions(position: LogPosition | undefined, stuckAfterMs: number): Html | false {
  if (position === undefined) return false;
  const stuck = new Set(stuckPartitions(position, stuckAfterMs));
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
                      html`${stuck.has(found) && html`<span class="status late">stuck ${stillText(found)}</span> `}<abbr
                          title="${groupDigits(found.cursor ?? 0)} of ${groupDigits(found.end)}"
                          >${groupDigits(behind)}</abbr
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

/** How long it has not moved. */
const stillText = ({ stillMs }: PartitionPosition): string =>
  stillMs < 120_000 ? `${Math.floor(stillMs / 1000)} s` : `${Math.floor(stillMs / 60_000)} min`;

function letters({ deadLetters }: OpsView, formProof: string): Html {
  if (deadLetters === undefined) {
    return html`<section>
      <h2>Dead letters</h2>
      <p class="empty">Kafka has not answered yet. Reload the page.</p>
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
                  <p class="figure">${groupDigits(letters)}</p>
                  ${waiting < letters && html`<p class="note">${groupDigits(letters - waiting)} replayed</p>`}
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

function spend({ spend: found, month, currency }: OpsView): Html {
  if (found === undefined) {
    return html`<section>
      <h2>Top projects</h2>
      <p class="empty">Not available now. The log of this server says why.</p>
    </section>`;
  }
  const { projects, priced, isCut, atMs } = found;
  return html`<section aria-labelledby="spend-title">
    <h2 id="spend-title">Top projects</h2>
    <p class="lead">
      ${groupDigits(projects.length)} of ${isCut && 'the first '}${groupDigits(priced)} projects, by their
      charges in ${monthName(month)} so far, at ${clock(atMs)}.
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
