import type { PlacedProject } from '../totals/read';
import type { Held } from './held';

/** In what Redis differs from a recount of the log. */
export interface Difference {
  readonly month?: string;
  readonly field?: string;
  readonly expected: string | null;
  readonly found: string | null;
}

/**
 * Holds the projects of which Redis and a recount of the log differ.
 *
 * @param differing project -> its differences
 */
export function holdDiffering(
  differing: ReadonlyMap<string, readonly Difference[]>,
  month: string,
): (page: readonly PlacedProject[]) => Promise<Held[]> {
  return (page) => {
    const held = page.flatMap(({ project }): Held[] => {
      const [first, ...more] = differing.get(project) ?? [];
      if (first === undefined) return [];
      const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
      return [
        {
          ...{ project, code: 'RECOUNT_DIFFERS' },
          detail:
            `${first.field ?? 'the list of projects'} of ${first.month ?? month}: ${first.found ?? 'nothing'} in Redis, ` +
            `${first.expected ?? 'nothing'} by a recount of the log${others}`,
          remedy:
            'Stop the consumers, empty this Redis (only the keys of this installation), run `tallyman rebuild`, then ' +
            `\`tallyman close ${month} --verify\` again.`,
        },
      ];
    });
    return Promise.resolve(held);
  };
}
