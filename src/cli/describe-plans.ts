import type { PlanEntry } from '../billing/project';

export function describePlans(plans: readonly PlanEntry[]): string {
  return plans.map(({ plan, from }) => `${plan} from ${from}`).join(', ');
}
