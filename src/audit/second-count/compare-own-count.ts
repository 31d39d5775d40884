import type { ShardMonth } from '../../redis/usage/read-shard';
import { damagedQuantities } from '../compare/compare-shard';
import { differingFields, type Difference } from '../compare/difference';
import type { OwnCount } from './own-count';

/**
 * Compares one project's month in a shard of Redis with the own count, which must be at the same
 * offsets.
 */
export function compareOwnCount(
  own: OwnCount,
  shard: number,
  month: string,
  { project, isListed, totals, daily, damaged }: ShardMonth,
): Difference[] {
  const counted = own.read(shard, month, project);
  const at = { month, project, shard };
  const differences: Difference[] = [];
  if (counted.isListed && !isListed)
    differences.push({ kind: 'not_listed', ...at, expected: 'listed', found: null });
  for (const difference of damagedQuantities(damaged)) differences.push({ ...at, ...difference });
  for (const kind of ['total', 'daily'] as const) {
    const [expected, found] = kind === 'total' ? [counted.totals, totals] : [counted.daily, daily];
    for (const { field, ...quantities } of differingFields(expected, found)) {
      differences.push({
        ...{ kind, ...at, field },
        expected: quantities.expected?.toString() ?? null,
        found: quantities.found?.toString() ?? null,
      });
    }
  }
  return differences;
}
