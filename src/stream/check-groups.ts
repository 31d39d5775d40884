import type { Finding } from '../finding';
import type { KafkaClient } from './kafka';

/** Finds consumer groups in which nobody is: their topic's usage waits. */
export async function checkGroups(client: KafkaClient, groupIds: readonly string[]): Promise<Finding[]> {
  const busy = await groupsWithMembers(client, groupIds);
  return groupIds
    .filter((groupId) => !busy.has(groupId))
    .map((groupId) => ({
      level: 'warning',
      subject: `consumer group ${groupId}`,
      problem: 'no consumer is running: what is published waits',
      remedy: 'start the consumers (tallyman consume)',
    }));
}

/** Only groups that exist are described: where none ever was, a broker has no coordinator to ask. */
async function groupsWithMembers(client: KafkaClient, groupIds: readonly string[]): Promise<Set<string>> {
  const admin = await client.admin();
  const existing = new Set((await admin.listGroups()).groups.map(({ groupId }) => groupId));
  const known = groupIds.filter((groupId) => existing.has(groupId));
  if (known.length === 0) return new Set();
  const { groups } = await admin.describeGroups(known);
  return new Set(groups.filter(({ members }) => members.length > 0).map(({ groupId }) => groupId));
}
