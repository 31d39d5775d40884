import type { Usage } from '../src/rating/usage';
import { dataCheck } from './checked-data';
import { durationOf, type TimedUsage } from './timed-usage';
import type { UsageConsumer } from './usage-consumer';

const check = dataCheck('usage.agent.v1');

/** Agent sessions: their time, the time recorded, and observability events. */
export const agentConsumer: UsageConsumer = {
  name: 'agent',
  topic: 'usage.agent',
  eventType: 'usage.agent.v1',
  usagesOf(data) {
    const rejection = check(data);
    if (rejection) return rejection;
    const session = data as TimedUsage & {
      recorded?: boolean | null;
      observabilityEvents?: number | string | null;
    };
    const duration = durationOf(session);
    if ('ok' in duration) return duration;
    const usages: Usage[] = [{ meter: 'agent.session', used: duration }];
    if (session.recorded === true) usages.push({ meter: 'agent.recording', used: duration });
    if (session.observabilityEvents !== undefined && session.observabilityEvents !== null) {
      usages.push({ meter: 'agent.events', used: Number(session.observabilityEvents) });
    }
    return { ok: true, usages };
  },
};
