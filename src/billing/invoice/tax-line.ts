import { inForce, type Catalog } from '../catalog/catalog';
import { periodOfMonth } from '../pricing/days';
import { Decimal, roundMoney } from '../pricing/decimal';
import { amountOf, moneyLine, type PricedLine } from './priced-line';
import type { Profile } from '../project/project';

/**
 * The tax of a month is one rounded amount on all that it costs, at the rate in force on its last
 * day. The tax on late usage is what late usage adds to it.
 *
 * @param before the lines of the month without the late usage; undefined for the month of the
 *   invoice
 */
export function taxLine(
  catalog: Catalog,
  profile: Profile | undefined,
  month: string,
  before: readonly PricedLine[] | undefined,
  after: readonly PricedLine[],
): PricedLine[] {
  const rows = (profile?.taxes ?? []).toSorted((a, b) => (a.from < b.from ? -1 : 1));
  const row = inForce(rows, periodOfMonth(month).to);
  if (row === undefined) return [];
  const rate = new Decimal(row.rate);
  const isLate = before !== undefined;
  const [netBefore, netAfter] = [amountOf(before ?? []), amountOf(after)];
  const taxOn = (net: Decimal): Decimal => roundMoney(net.times(rate), catalog.minorDigits);
  const line = {
    id: `${month} tax`,
    kind: 'tax' as const,
    period: isLate ? month : undefined,
    description: `${row.name} ${rate.times(100).toFixed()} %${isLate ? ` on late usage of ${month}` : ''}`,
  };
  return [
    {
      ...moneyLine(line, catalog.currency, netAfter.minus(netBefore), 1),
      unitPrice: rate,
      amount: taxOn(netAfter).minus(taxOn(netBefore)),
    },
  ];
}
