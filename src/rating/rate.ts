import type { Instant } from './instant';
import { policyAt, roundUp, type RoundingTable } from './rounding';
import type { RatedUsage, Usage } from './usage';

/**
 * Rounds each usage of an event up on its own, by the policy in force at the time of the event. A
 * usage of zero adds nothing and is left out.
 */
export function rate(usages: readonly Usage[], time: Instant, rounding: RoundingTable): RatedUsage[] {
  const rated: RatedUsage[] = [];
  for (const { meter, model, used } of usages) {
    const quantity = roundUp(used, policyAt(rounding, meter, time));
    if (quantity === '0') continue;
    rated.push(model === undefined ? { meter, quantity } : { meter, model, quantity });
  }
  return rated;
}
