import { Decimal, sum, zero } from '../../../billing/pricing/decimal';
import { html, live, type Html } from '../html';
import { dayName } from '../number-text';
import type { Day, Series, Stacks } from './daily-stacks';

/** What is vertical is in pixels; what is horizontal is a share of the width, which differs. */
const HEIGHT = 220;
const BOTTOM = 24;
const TOP = 28;
const ROOM = HEIGHT - TOP - BOTTOM;
/** A day with usage is never invisible. */
const LEAST_HEIGHT = 1.5;

export interface DailyChart {
  /** What the chart is of, such as `Cost by day, by product`. */
  readonly title: string;
  readonly stacks: Stacks;
  /** A value with its unit, exactly. */
  readonly exact: (value: Decimal) => string;
  /** Shortened for the axis, which has its unit above it. */
  readonly short: (value: Decimal) => string;
  readonly unit: string;
}

/** Bars by day: a picture for those who see it, and a table for everybody else. */
export function dailyChart(chart: DailyChart): Html {
  const { title, stacks } = chart;
  const { series } = stacks;
  return html`<figure class="chart">
    ${series.length > 1 && legend(series)} ${picture(chart)}
    <details id="numbers-by-day">
      <summary>Show the numbers by day</summary>
      <table class="cards-on-phone">
        <caption class="hidden">
          ${title}
        </caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            ${series.map(({ name }) => html`<th scope="col" class="number">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${stacks.days.map((day) => tableRow(day, chart))}
        </tbody>
      </table>
    </details>
  </figure>`;
}

const legend = (series: readonly Series[]): Html =>
  html`<ul class="legend">
    ${series.map(
      (one) =>
        html`<li>
          <svg viewBox="0 0 10 10" aria-hidden="true">
            <rect class="${colourOf(one)}" width="10" height="10" rx="2" />
          </svg>
          ${one.name}
        </li>`,
    )}
    ${
      series.some(({ isCovered }) => isCovered) &&
      html`<li>
        <svg viewBox="0 0 10 10" aria-hidden="true"><line class="limit" x2="10" y1="5" y2="5" /></svg>
        Your plan covers usage up to here
      </li>`
    }
  </ul>`;

/** The style sheet names the colours. */
const colourOf = ({ isCovered, colour }: Series): string => (isCovered ? 'covered' : `series-${colour}`);

function picture(chart: DailyChart): Html {
  const { title, stacks, short, unit } = chart;
  const { days } = stacks;
  const top = niceTop(days.reduce((most, { values }) => Decimal.max(most, sum(values)), zero));
  const ticks = [top, top.div(2), zero].map((tick) => ({ tick, y: HEIGHT - BOTTOM - heightOf(tick, top) }));
  return html`<div class="plot">
    <svg class="axis" aria-hidden="true">
      <text class="tick" y="11">${unit}</text>
      ${ticks.map(
        ({ tick, y }) =>
          html`<text class="tick" x="100%" y="${y + 4}" text-anchor="end">${short(tick)}</text>`,
      )}
    </svg>
    <svg role="img" aria-label="${title}; the table below lists the numbers">
      ${ticks.map(({ y }) => html`<line class="grid" x2="100%" y1="${y}" y2="${y}" />`)}
      ${days.map((_, i) => i % 5 === 0 && dayNumber(i, days.length))}
      ${days.map((day, i) => live(`day-${i + 1}`, bars(day, i, top, chart), 'g'))} ${usedUpLine(stacks)}
    </svg>
  </div>`;
}

/** `days` of a month of `of` days, as a share of the width. */
const share = (days: number, of: number): string => `${Math.round((10_000 * days) / of) / 100}%`;
const tenths = (number: number): number => Math.round(number * 10) / 10;
const heightOf = (value: Decimal, top: Decimal): number => tenths(value.div(top).times(ROOM).toNumber());

const dayNumber = (i: number, of: number): Html =>
  html`<text class="tick" x="${share(i + 0.5, of)}" y="${HEIGHT - 6}" text-anchor="middle">${i + 1}</text>`;

function bars({ day, values }: Day, i: number, top: Decimal, { stacks, exact }: DailyChart): Html {
  const { series, days } = stacks;
  const named = values
    .map((value, at) => ({ value, name: series.length > 1 ? `${series[at]!.name} ` : '' }))
    .filter(({ value }) => !value.isZero());
  const title =
    named.length === 0 ? 'nothing' : named.map(({ value, name }) => `${name}${exact(value)}`).join(', ');
  let y = HEIGHT - BOTTOM;
  return html`<title>${dayName(day)}: ${title}</title
    ><rect
      class="hit"
      x="${share(i, days.length)}"
      y="${TOP}"
      width="${share(1, days.length)}"
      height="${ROOM}"
    />${values.map((value, at) => {
      if (value.lte(0)) return false;
      const height = Math.max(LEAST_HEIGHT, heightOf(value, top));
      y = tenths(y - height);
      const [x, end] = [share(i + 0.14, days.length), share(i + 0.86, days.length)];
      return html`<rect
          class="bar ${colourOf(series[at]!)}"
          x="${x}"
          y="${y}"
          width="${share(0.72, days.length)}"
          height="${height}"
        />${series[at]!.isCovered && html`<line class="limit" x1="${x}" x2="${end}" y1="${y}" y2="${y}" />`}`;
    })}`;
}

/** At the end of the day on which the allowance was used up. */
function usedUpLine({ days, usedUpOn: day }: Stacks): Html | false {
  if (day === undefined) return false;
  const x = share(day + 1, days.length);
  const isLate = day > days.length / 2;
  return html`<line class="limit" x1="${x}" x2="${x}" y1="4" y2="${HEIGHT - BOTTOM}" /><text
      class="tick"
      x="${x}"
      dx="${isLate ? -6 : 6}"
      y="11"
      text-anchor="${isLate ? 'end' : 'start'}"
      >Allowance used up</text
    >`;
}

const tableRow = ({ day, values }: Day, { stacks, exact }: DailyChart): Html =>
  html`<tr>
    <th scope="row">${dayName(day)}</th>
    ${values.map(
      (value, i) =>
        html`<td class="number" data-label="${stacks.series[i]!.name}">
          ${live(`${day}-${i}`, exact(value))}
        </td>`,
    )}
  </tr>`;

/** The next round number above the tallest bar, whose half is round, too. */
function niceTop(most: Decimal): Decimal {
  if (most.lte(0)) return new Decimal(1);
  const power = new Decimal(10).pow(most.log(10).floor());
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10]
    .map((factor) => power.times(factor))
    .find((top) => top.gte(most))!;
}
