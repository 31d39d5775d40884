import type { PlanEntry } from '../../billing/project/project';

export function describePlans(plans: readonly PlanEntry[]): string {
  return plans.map(({ plan, from }) => `${plan} from ${from}`).join(', ');
}
