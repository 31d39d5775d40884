import { daysIn } from '../../rating/month';
import { Decimal } from '../../billing/pricing/decimal';
import { labelOf, unitOf } from '../../billing/pricing/units';
import { splitMeterKey } from '../../rating/meters';
import { groupDigits, plural } from '../../lib/text/number-text';
import { html, type Html } from './html';
import { dayName, shortened } from './number-text';

const WIDTH = 720;
const HEIGHT = 220;
const LEFT = 56;
const BOTTOM = 24;
const TOP = 12;

export interface DailyUsage {
  readonly day: string;
  /** In the meter's billing unit. */
  readonly quantity: Decimal;
}

/** A month's usage of one meter by day, without late usage of other months. */
export function dailyUsage(month: string, meter: string, daily: ReadonlyMap<string, bigint>): DailyUsage[] {
  const { size } = unitOf(splitMeterKey(meter).meter);
  return Array.from({ length: daysIn(month) }, (_, i) => {
    const day = `${month}-${String(i + 1).padStart(2, '0')}`;
    return { day, quantity: new Decimal(String(daily.get(`${day}/${meter}`) ?? 0n)).div(size) };
  });
}

/** Bars by day: a picture for those who see it, and a table for everybody else. */
export function dailyChart(meterKey: string, days: readonly DailyUsage[]): Html {
  const { meter, model } = splitMeterKey(meterKey);
  const unit = plural(unitOf(meter).name);
  const label = labelOf(meter, model);
  const top = niceTop(days.reduce((most, { quantity }) => Decimal.max(most, quantity), new Decimal(0)));
  const step = (WIDTH - LEFT) / days.length;
  const height = (quantity: Decimal): number =>
    Math.round(
      quantity
        .div(top)
        .times(HEIGHT - TOP - BOTTOM)
        .toNumber() * 10,
    ) / 10;
  const ticks = [top, top.div(2), new Decimal(0)];
  return html`<figure class="chart">
    <svg
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      role="img"
      aria-label="${label} by day, in ${unit}; the table below lists the numbers"
    >
      ${ticks.map((tick) => {
        const y = HEIGHT - BOTTOM - height(tick);
        return html`<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}" /><text
            class="tick"
            x="${LEFT - 8}"
            y="${y + 4}"
            text-anchor="end"
            >${shortened(tick.toFixed())}</text
          >`;
      })}
      ${days.map(({ day, quantity }, i) => {
        const tall = quantity.isZero() ? 0 : Math.max(1.5, height(quantity));
        const x = Math.round((LEFT + step * i + step * 0.14) * 10) / 10;
        return html`<g class="day"
          ><title>${dayName(day)}: ${groupDigits(quantity.toFixed())} ${unit}</title
          ><rect
            class="hit"
            x="${LEFT + step * i}"
            y="${TOP}"
            width="${step}"
            height="${HEIGHT - TOP - BOTTOM}"
          /><rect
            class="bar"
            x="${x}"
            y="${HEIGHT - BOTTOM - tall}"
            width="${Math.round(step * 7.2) / 10}"
            height="${tall}"
            rx="2"
          />
          ${
            i % 5 === 0 &&
            html`<text class="tick" x="${LEFT + step * (i + 0.5)}" y="${HEIGHT - 6}" text-anchor="middle"
              >${i + 1}</text
            >`
          }</g
        >`;
      })}
    </svg>
    <details>
      <summary>Show the numbers by day</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="${label} by day">
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col" class="number">${label}, ${unit}</th>
            </tr>
          </thead>
          <tbody>
            ${days.map(
              ({ day, quantity }) =>
                html`<tr>
                  <th scope="row">${dayName(day)}</th>
                  <td class="number">${groupDigits(quantity.toFixed())}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>
  </figure>`;
}

/** The next round number above the tallest bar: 1, 2 or 5, followed by zeros. */
function niceTop(most: Decimal): Decimal {
  if (most.isZero()) return new Decimal(1);
  const power = new Decimal(10).pow(most.log(10).floor());
  return [1, 2, 5, 10].map((factor) => power.times(factor)).find((top) => top.gte(most))!;
}
