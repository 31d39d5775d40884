import type { PlacedProject } from '../../redis/usage/read-usage';
import type { Held } from './held-projects';

/** How Redis differs from a recount of the log. */
export interface Difference {
  readonly month?: string;
  readonly field?: string;
  readonly expected: string | null;
  readonly found: string | null;
}

/**
 * Holds the projects for which Redis and a recount of the log differ.
 *
 * @param differing project -> its differences
 */
export function holdDiffering(
  differing: ReadonlyMap<string, readonly Difference[]>,
  month: string,
): (page: readonly PlacedProject[]) => Promise<Held[]> {
  return (page) =>
    Promise.resolve(
      page.flatMap(({ project }) => {
        const differences = differing.get(project);
        return differences === undefined ? [] : [heldFor(project, month, differences)];
      }),
    );
}

/**
 * The projects that differ and that the close did not reach, because Redis lost them from the
 * month's set, or because their invoice was issued before.
 */
export function heldBesides(
  held: readonly Held[],
  differing: ReadonlyMap<string, readonly Difference[]>,
  month: string,
): Held[] {
  const known = new Set(held.map(({ project }) => project));
  return [...differing]
    .filter(([project]) => !known.has(project))
    .map(([project, differences]) => heldFor(project, month, differences));
}

function heldFor(project: string, month: string, [first, ...more]: readonly Difference[]): Held {
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return {
    ...{ project, code: 'RECOUNT_DIFFERS' },
    detail:
      `${first?.field ?? 'the list of projects'} of ${first?.month ?? month}: ${first?.found ?? 'nothing'} in Redis, ` +
      `${first?.expected ?? 'nothing'} by a recount of the log${others}`,
    remedy:
      'Stop the consumers, run `tallyman rebuild --empty`, then ' +
      `\`tallyman close ${month} --verify\` again.`,
  };
}
