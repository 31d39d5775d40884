import type { Usage } from '../src/rating/usage';
import type { AgentData } from '../schemas/types';
import { isDuration, isOptionalInteger } from './decode/precheck';
import { durationOf, negativeDuration } from './timed-usage';
import { usageConsumer } from './usage-consumer';

/** Agent sessions: their time, the time recorded, and observability events. */
export const agentConsumer = usageConsumer<AgentData>({
  name: 'agent',
  topic: 'usage.agent',
  eventType: 'usage.agent.v1',
  isSurelyGood: (data) => {
    const { recorded, observabilityEvents } = data;
    const isKnown = recorded === undefined || recorded === null || typeof recorded === 'boolean';
    return isKnown && isOptionalInteger(observabilityEvents) && isDuration(data);
  },
  usagesOf(data) {
    const used = durationOf(data);
    if (used === undefined) return negativeDuration(data);
    const usages: Usage[] = [{ meter: 'agent.session', used }];
    if (data.recorded === true) usages.push({ meter: 'agent.recording', used });
    usages.push({ meter: 'agent.events', used: Number(data.observabilityEvents ?? 0) });
    return usages;
  },
});
