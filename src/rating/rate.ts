import type { Instant } from './instant';
import { policyAt, roundUp, type RoundingTable } from './rounding';
import type { RatedUsage, Usage } from './usage';

/**
 * Rounds each usage of an event up on its own, by the policy in force at the time of the event. A
 * usage of zero adds nothing and is left out.
 */
export function rate(usages: readonly Usage[], time: Instant, rounding: RoundingTable): RatedUsage[] {
  if (usages.length === 1) {
    // Most events have one usage, and a chunk keeps thousands: `push` would reserve room for 17.
    const one = rateOne(usages[0]!, time, rounding);
    return one === undefined ? [] : [one];
  }
  const rated: RatedUsage[] = [];
  for (const usage of usages) {
    const one = rateOne(usage, time, rounding);
    if (one !== undefined) rated.push(one);
  }
  return rated;
}

function rateOne(
  { meter, model, used }: Usage,
  time: Instant,
  rounding: RoundingTable,
): RatedUsage | undefined {
  const quantity = roundUp(used, policyAt(rounding, meter, time));
  if (quantity === '0') return undefined;
  return model === undefined ? { meter, quantity } : { meter, model, quantity };
}
