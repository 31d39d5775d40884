import { groupDigits } from '../../lib/text/number-text';
import { html, type Html } from './html';
import type { AskedReplay, ReplayOutcome } from '../api/replay';

const ROWS_SHOWN = 200;

/** A button that publishes a dead letter's event again, or those of all letters of a reason. */
export function replayForm(asked: AskedReplay, formProof: string): Html {
  const [name, value, label] =
    'place' in asked ? ['place', asked.place, asked.place] : ['reason', asked.reason, `all ${asked.reason}`];
  return html`<form method="post" action="/ops/replay">
    <input type="hidden" name="proof" value="${formProof}" />
    <input type="hidden" name="${name}" value="${value}" />
    <button class="action">Replay<span class="hidden"> ${label}</span></button>
  </form>`;
}

/** The result: which dead letters were published again, and which were not and why. */
export function replayPage(asked: AskedReplay, { report, left, idsForgotten }: ReplayOutcome): Html {
  const kept = [
    ...report.refused,
    ...report.incomplete.map(({ place, detail }) => ({ place, reason: 'incomplete', detail })),
  ];
  const count = (number: number): string => groupDigits(String(number));
  return html`<p class="back"><a href="/ops">Back to the installation</a></p>
    <p class="eyebrow">${'place' in asked ? asked.place : `all ${asked.reason}`}</p>
    <h1>Replay</h1>
    <div class="cards">
      <div class="card strong">
        <h2>Published again</h2>
        <p class="figure">${count(report.replayed)}</p>
        <p class="note">Each counts once, however often it is published.</p>
      </div>
      <div class="card">
        <h2>Not published</h2>
        <p class="figure">${count(kept.length)}</p>
        <p class="note">They would be rejected again.</p>
      </div>
    </div>
    ${
      left > 0 &&
      html`<p class="notice">
        ${count(left)} more were not checked. To replay them all, use
        <code>tallyman dead-letters replay${'reason' in asked && ` --reason ${asked.reason}`}</code>.
      </p>`
    }
    ${
      idsForgotten > 0 &&
      html`<p class="notice">
        ${count(idsForgotten)} were published before the last but one close. If a corrected copy was counted
        then, its id is forgotten, and the event counts again.
      </p>`
    }
    ${
      kept.length > 0 &&
      html`<section aria-labelledby="kept-title">
        <h2 id="kept-title">Not published</h2>
        <div class="card scroll" tabindex="0" role="region" aria-labelledby="kept-title">
          <table>
            <thead>
              <tr>
                <th scope="col">Where</th>
                <th scope="col">Reason</th>
                <th scope="col">Detail</th>
              </tr>
            </thead>
            <tbody>
              ${kept.slice(0, ROWS_SHOWN).map(
                ({ place, reason, detail }) =>
                  html`<tr>
                    <th scope="row">${place}</th>
                    <td>${reason}</td>
                    <td>${detail}</td>
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>
      </section>`
    }`;
}
