export type LogEntry = { readonly kind: 'usage' | 'void'; readonly id: number } | { readonly kind: 'bad' };

/**
 * Counts the log of a shard again up to the cursors, as plainly as possible: id -> how often it
 * counts. It shares no code with src/ and none with the model of Redis.
 *
 * @param cutOffs in order
 */
export function recountIds(
  logs: ReadonlyMap<string, readonly LogEntry[]>,
  cursors: ReadonlyMap<string, number>,
  cutOffs: readonly ReadonlyMap<string, number>[],
  months: number,
): Map<number, number> {
  const sums = new Map<number, number>();
  const counted: Set<number>[] = [];
  const voided: Set<number>[] = [];
  for (let window = 0; window <= cutOffs.length; window += 1) {
    counted.push(new Set());
    voided.push(new Set());
    const isIn = (sets: Set<number>[], id: number): boolean => sets.slice(-months).some((ids) => ids.has(id));
    for (const [lane, entries] of logs) {
      const start = window === 0 ? 0 : (cutOffs[window - 1]!.get(lane) ?? 0);
      const end = window === cutOffs.length ? Infinity : (cutOffs[window]!.get(lane) ?? 0);
      for (const entry of entries.slice(start, Math.min(end, cursors.get(lane) ?? 0))) {
        if (entry.kind === 'bad') continue;
        const { id } = entry;
        const wasCounted = isIn(counted, id);
        const wasVoided = isIn(voided, id);
        if (entry.kind === 'void' && !wasVoided) {
          voided.at(-1)!.add(id);
          if (wasCounted) sums.set(id, sums.get(id)! - 1);
        } else if (entry.kind === 'usage' && !wasCounted && !wasVoided) {
          counted.at(-1)!.add(id);
          sums.set(id, (sums.get(id) ?? 0) + 1);
        }
      }
    }
  }
  return sums;
}
