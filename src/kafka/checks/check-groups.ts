import { AssignerProtocol, type GroupDescription } from 'kafkajs';
import type { Finding } from '../../lib/finding';
import type { KafkaClient } from '../client';

/** Finds consumer groups without members. The usage of their topics is not counted. */
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

/**
 * The groups that have a member. A consumer that was killed remains a member until its session
 * ends.
 */
export async function groupsWithMembers(
  client: KafkaClient,
  groupIds: readonly string[],
): Promise<Set<string>> {
  const groups = await describeGroups(client, groupIds);
  return new Set(groups.filter(({ members }) => members.length > 0).map(({ groupId }) => groupId));
}

/** topic -> the partitions that a member of one of the groups is assigned to. */
export async function assignedPartitions(
  client: KafkaClient,
  groupIds: readonly string[],
): Promise<Map<string, Set<number>>> {
  const assigned = new Map<string, Set<number>>();
  for (const { members } of await describeGroups(client, groupIds)) {
    for (const { memberAssignment } of members) {
      const { assignment = {} } = AssignerProtocol.MemberAssignment.decode(memberAssignment) ?? {};
      for (const [topic, partitions] of Object.entries(assignment))
        assigned.set(topic, new Set([...(assigned.get(topic) ?? []), ...partitions]));
    }
  }
  return assigned;
}

/**
 * Describes only groups that exist: if there never was a group, a broker has no coordinator to send
 * this to.
 */
async function describeGroups(client: KafkaClient, groupIds: readonly string[]): Promise<GroupDescription[]> {
  const admin = await client.admin();
  const existing = new Set((await admin.listGroups()).groups.map(({ groupId }) => groupId));
  const known = groupIds.filter((groupId) => existing.has(groupId));
  return known.length === 0 ? [] : (await admin.describeGroups(known)).groups;
}
