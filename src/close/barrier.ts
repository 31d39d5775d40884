import { TallymanError } from '../errors';
import type { Progress } from '../progress';
import { readCursors } from '../totals/cursors';
import type { Store } from '../totals/store';

const POLL_MS = 100;

/**
 * Waits until every cursor has reached the log end noted at the start: then all that was published before is in the
 * totals, and the month can be frozen without making timely usage late.
 *
 * @param ends topic -> partition -> log end offset
 * @param stableEnds where a transaction keeps readers from going on: topic -> partition -> offset
 * @param stallMs gives up when no cursor has moved for so long: the consumers are not running, or a transaction is open
 * @throws TallymanError `NOT_CAUGHT_UP`, `TRANSACTION_OPEN`
 */
export async function waitForCursors(
  store: Store,
  ends: ReadonlyMap<string, readonly number[]>,
  stableEnds: () => Promise<ReadonlyMap<string, readonly number[]>>,
  stallMs: number,
  progress: Progress,
): Promise<void> {
  const shardCount = Math.max(...[...ends.values()].map((offsets) => offsets.length));
  let leastLeft = Number.POSITIVE_INFINITY;
  let first: number | undefined;
  let movedAt = Date.now();
  for (;;) {
    const behind: string[] = [];
    let left = 0;
    for (let shard = 0; shard < shardCount; shard += 1) {
      const cursors = await readCursors(store, shard);
      for (const [topic, offsets] of ends) {
        const missing = (offsets[shard] ?? 0) - (cursors.get(topic) ?? 0);
        if (missing <= 0) continue;
        left += missing;
        behind.push(`${topic}/${shard}`);
      }
    }
    if (left === 0) return;
    first ??= left;
    progress.update(first - left, first, `${behind.length} partitions behind: ${someOf(behind)}`);
    if (left < leastLeft) {
      leastLeft = left;
      movedAt = Date.now();
    } else if (Date.now() - movedAt > stallMs) {
      checkNotHeldUp(await stableEnds(), ends, behind);
      throw new TallymanError(
        'NOT_CAUGHT_UP',
        `${left} events are not applied yet and no cursor moved for ${Math.round(stallMs / 1000)} s ` +
          `(${someOf(behind)}): are the consumers running?`,
        { left, behind },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Consumers read no further than the first transaction that is open: nothing of theirs is wrong then. */
function checkNotHeldUp(
  stable: ReadonlyMap<string, readonly number[]>,
  ends: ReadonlyMap<string, readonly number[]>,
  behind: readonly string[],
): void {
  const heldUp = behind.filter((place) => {
    const at = place.lastIndexOf('/');
    const [topic, partition] = [place.slice(0, at), Number(place.slice(at + 1))];
    return (stable.get(topic)?.[partition] ?? Infinity) < (ends.get(topic)?.[partition] ?? 0);
  });
  if (heldUp.length === 0) return;
  throw new TallymanError(
    'TRANSACTION_OPEN',
    `A producer has left a transaction open in ${someOf(heldUp)}: what was committed behind it cannot be read yet. Wait until ` +
      'the broker ends it, or end it: kafka-transactions.sh find-hanging, then abort. Then run the close again.',
    { heldUp },
  );
}

const someOf = (places: readonly string[]): string =>
  places.slice(0, 5).join(', ') + (places.length > 5 ? ', ...' : '');
