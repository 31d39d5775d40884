import { groupDigits } from '../../../lib/text/number-text';
import { html, type Html } from '../html';
import {
  LETTERS_MAX,
  type AskedReplay,
  type ReplayOutcome,
  type ReplayQuestion,
} from '../../api/replay-request';

const ROWS_SHOWN = 200;

/** A button that publishes a dead letter's event again, or those of all letters of a reason. */
export function replayForm(asked: AskedReplay, formProof: string): Html {
  const [name, value, label] =
    'place' in asked ? ['place', asked.place, 'Replay'] : ['reason', asked.reason, 'Replay all'];
  return html`<form method="post" action="/ops/replay">
    <input type="hidden" name="proof" value="${formProof}" />
    <input type="hidden" name="${name}" value="${value}" />
    <button class="action">${label}<span class="hidden"> ${value}</span></button>
  </form>`;
}

/** Asks before many dead letters are replayed. */
export function confirmPage(reason: string, { waiting, confirmed }: ReplayQuestion, formProof: string): Html {
  const now = Math.min(waiting, LETTERS_MAX);
  return html`<p class="back"><a href="/ops">Back to the installation</a></p>
    <p class="eyebrow">Reason: ${reason}</p>
    <h1>Replay ${groupDigits(now)} dead letters?</h1>
    ${
      confirmed !== undefined &&
      html`<p class="notice">
        ${groupDigits(waiting - confirmed)} more have been added since you were asked. Nothing was replayed.
      </p>`
    }
    <p class="lead">
      Their events are published again, and are then counted and billed. Those that would be rejected again
      stay as they are. A replay cannot be taken back.
    </p>
    ${
      waiting > now &&
      html`<p class="lead">
        ${groupDigits(waiting)} wait. One request checks ${groupDigits(now)} of them. To replay them all, use
        <code>tallyman dead-letters replay --reason ${reason}</code>.
      </p>`
    }
    <form method="post" action="/ops/replay" class="pick filters">
      <input type="hidden" name="proof" value="${formProof}" />
      <input type="hidden" name="reason" value="${reason}" />
      <input type="hidden" name="confirmed" value="${String(waiting)}" />
      <button>Replay ${groupDigits(now)} dead letters</button>
      <a class="button" href="/ops">Cancel</a>
    </form>`;
}

/** The result: which dead letters were published again, and which were not and why. */
export function replayPage(asked: AskedReplay, { report, left, idsForgotten }: ReplayOutcome): Html {
  const kept = [
    ...report.refused,
    ...report.incomplete.map(({ place, detail }) => ({ place, reason: 'incomplete', detail })),
  ];
  return html`<p class="back"><a href="/ops">Back to the installation</a></p>
    <p class="eyebrow">${'place' in asked ? asked.place : `Reason: ${asked.reason}`}</p>
    <h1>Replay</h1>
    <div class="cards">
      <div class="card">
        <h2>Published again</h2>
        <p class="figure">${groupDigits(report.replayed)}</p>
        <p class="note">Each counts once, however often it is published.</p>
      </div>
      <div class="card">
        <h2>Not published</h2>
        <p class="figure">${groupDigits(kept.length)}</p>
        <p class="note">They would be rejected again.</p>
      </div>
    </div>
    ${
      left > 0 &&
      html`<p class="notice">
        ${groupDigits(left)} more were not checked. To replay them all, use
        <code>tallyman dead-letters replay${'reason' in asked && ` --reason ${asked.reason}`}</code>.
      </p>`
    }
    ${
      idsForgotten > 0 &&
      html`<p class="notice">
        ${groupDigits(idsForgotten)} were published before the last but one close. If a corrected copy was
        counted then, its id is forgotten, and the event counts again.
      </p>`
    }
    ${
      kept.length > 0 &&
      html`<section aria-labelledby="kept-title">
        <h2 id="kept-title">Not published</h2>
        <div class="card scroll" tabindex="0" role="group" aria-labelledby="kept-title">
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
