import { dataOf } from '../../../consumers/decode/decode-event';
import type { RatedMessage } from '../../../consumers/decode/rate-message';
import type { RawMessage } from '../../../consumers/decode/decode-event';
import type { RatedEvent, RatedUsage } from '../../rating/usage';
import type { KafkaClient } from '../../kafka/client';
import { readRecords } from '../../kafka/read-range';
import { digestOf } from './canonical-json';

/** A record of the topic. */
export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}

/** Two records whose events have the same fingerprint. The second event was not counted. */
export interface Repeat {
  readonly first: RecordPlace;
  readonly repeat: RecordPlace;
}

export interface Place extends RecordPlace {
  readonly topic: string;
}

/** A duplicate whose data differ from the first event. The first in the log counts. */
export interface Conflict {
  readonly project: string;
  readonly source: string;
  readonly id: string;
  /** The month of the first event. */
  readonly month: string;
  readonly first: Place;
  readonly repeat: Place;
  /**
   * Whether the duplicate would have counted otherwise if it had come first: other usages or
   * another day.
   */
  readonly changesUsage: boolean;
  readonly firstDay: string;
  readonly firstUsages: readonly RatedUsage[];
  readonly repeatDay: string;
  readonly repeatUsages: readonly RatedUsage[];
}

/**
 * Two identities that share a fingerprint. The second was taken for a duplicate, and its usage is
 * not billed.
 */
export interface Collision {
  readonly first: Place & Identity;
  readonly unbilled: Place & Identity & { readonly month: string; readonly usages: readonly RatedUsage[] };
}

interface Identity {
  readonly project: string;
  readonly source: string;
  readonly id: string;
}

export interface Repeats {
  readonly conflicts: Conflict[];
  readonly collisions: Collision[];
}

export interface RepeatReading {
  readonly client: KafkaClient;
  readonly topic: string;
  readonly rate: (message: RawMessage) => RatedMessage;
}

interface Compared {
  readonly partition: number;
  readonly event: RatedEvent;
  readonly digest: string | undefined;
}

/**
 * Reads duplicates and their first events once more, and compares their data. The dedup index keeps
 * eight bytes per event, which identify it but do not contain its data.
 */
export async function compareRepeats(reading: RepeatReading, repeats: readonly Repeat[]): Promise<Repeats> {
  const found: Repeats = { conflicts: [], collisions: [] };
  const firstOf = new Map(repeats.map(({ first, repeat }) => [nameOf(repeat), nameOf(first)]));
  const isFirst = new Set(firstOf.values());
  const offsets = new Map<number, Set<number>>();
  for (const { partition, offset } of repeats.flatMap(({ first, repeat }) => [first, repeat]))
    offsets.set(partition, (offsets.get(partition) ?? new Set()).add(offset));
  const firsts = new Map<string, Compared>();
  // A duplicate may be in a partition that is read before that of its first event.
  const waiting: { readonly first: string; readonly compared: Compared }[] = [];
  for (const [partition, all] of offsets) {
    const sorted = [...all].sort((a, b) => a - b);
    for await (const record of readRecords(reading.client, { topic: reading.topic, partition }, sorted)) {
      const rated = reading.rate(record);
      if (!rated.ok) continue;
      const data = dataOf(record);
      const { event } = rated;
      // A void repeats its event's data.
      const digest = digestOf(event.isVoid ? (data as { data: unknown }).data : data);
      const compared = { partition, event, digest };
      const name = nameOf({ partition, offset: record.offset });
      if (isFirst.has(name)) firsts.set(name, compared);
      const first = firstOf.get(name);
      if (first === undefined) continue;
      if (firsts.has(first)) comparePair(reading.topic, firsts.get(first)!, compared, found);
      else waiting.push({ first, compared });
    }
  }
  for (const { first, compared } of waiting)
    if (firsts.has(first)) comparePair(reading.topic, firsts.get(first)!, compared, found);
  return found;
}

const nameOf = ({ partition, offset }: RecordPlace): string => `${partition}/${offset}`;

function comparePair(topic: string, first: Compared, repeat: Compared, found: Repeats): void {
  const place = ({ partition, event }: Compared): Place => ({ topic, partition, offset: event.offset });
  const identity = ({ event: { project, source, id } }: Compared): Identity => ({ project, source, id });
  if (JSON.stringify(identity(first)) !== JSON.stringify(identity(repeat))) {
    const { month, usages } = repeat.event;
    found.collisions.push({
      first: { ...place(first), ...identity(first) },
      unbilled: { ...place(repeat), ...identity(repeat), month, usages },
    });
    return;
  }
  const changesUsage =
    first.event.day !== repeat.event.day ||
    JSON.stringify(first.event.usages) !== JSON.stringify(repeat.event.usages);
  const saysTheSame = first.digest !== undefined && first.digest === repeat.digest;
  if (saysTheSame && !changesUsage) return;
  found.conflicts.push({
    ...identity(first),
    month: first.event.month,
    first: place(first),
    repeat: place(repeat),
    changesUsage,
    firstDay: first.event.day,
    firstUsages: first.event.usages,
    repeatDay: repeat.event.day,
    repeatUsages: repeat.event.usages,
  });
}
