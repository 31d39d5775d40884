import type { Usage } from '../src/rating/usage';
import type { AgentData } from '../schemas/types';
import { isDuration, isOptionalBoolean, isOptionalInteger } from './decode/precheck';
import { durationOf, negativeDuration } from './timed-usage';
import { usageConsumer } from './usage-consumer';

export const agentConsumer = usageConsumer<AgentData>({
  name: 'agent',
  topic: 'usage.agent',
  eventType: 'usage.agent.v1',
  passesPrecheck: (data) => {
    const { recorded, voiceIsolation, observabilityEvents } = data;
    const areFlags = isOptionalBoolean(recorded) && isOptionalBoolean(voiceIsolation);
    return areFlags && isOptionalInteger(observabilityEvents) && isDuration(data);
  },
  usagesOf(data) {
    const used = durationOf(data);
    if (used === undefined) return negativeDuration(data);
    const usages: Usage[] = [{ meter: 'agent.session', used }];
    if (data.recorded === true) usages.push({ meter: 'agent.recording', used });
    if (data.voiceIsolation === true) usages.push({ meter: 'agent.voice_isolation', used });
    usages.push({ meter: 'agent.events', used: Number(data.observabilityEvents ?? 0) });
    return usages;
  },
});
