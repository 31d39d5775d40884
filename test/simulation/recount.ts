import type { CloseRecord } from '../../schemas/types';
import type { Entry } from './model-kafka';

/** `<shard> <bill month> <project> <field>` -> quantity. */
export type Sums = Map<string, bigint>;

export interface UsageValue {
  readonly project: string;
  readonly id: string;
  readonly month: string;
  readonly quantity: number;
}

/**
 * Counts a topic's log again, from its first record to the cursors, as the contract has it and as
 * plainly as possible. It shares no code with src/ and none with the model of Redis.
 */
export function recount(
  topic: string,
  logs: readonly (readonly Entry[])[],
  cursors: readonly number[],
  closes: readonly Pick<CloseRecord, 'month' | 'cursors'>[],
  shards: number,
): Sums {
  const sums: Sums = new Map();
  /** Shard -> identity -> the period in which it was counted last. */
  const countedIn = Array.from({ length: shards }, () => new Map<string, number>());
  const found = logs.flatMap((entries, partition) =>
    entries.slice(0, cursors[partition]).map((entry, offset) => {
      const shard = partition % shards;
      const lane = partition < shards ? topic : `${topic}/${partition}`;
      // A partition that a cut-off of its shard does not name was added after it.
      const frozenAt = ({ cursors: at }: (typeof closes)[number]): number =>
        at[shard] === undefined ? Infinity : (at[shard][lane] ?? 0);
      return { entry, shard, closedBefore: closes.filter((close) => frozenAt(close) <= offset) };
    }),
  );
  // What came before a close comes first, whatever partition it is in.
  for (let period = 0; period <= closes.length; period += 1) {
    for (const { entry, shard, closedBefore } of found) {
      if (closedBefore.length !== period) continue;
      if (entry === 'hidden' || !entry.value.startsWith('{')) continue;
      const counted = countedIn[shard]!;
      const { project, id, month, quantity } = JSON.parse(entry.value) as UsageValue;
      const identity = `${project} ${id}`;
      if ((counted.get(identity) ?? -2) >= period - 1) continue;
      counted.set(identity, period);
      const latest = closedBefore.map((close) => close.month).sort()[period - 1];
      const isLate = latest !== undefined && month <= latest;
      const field = isLate ? `${following(latest)} ${project} ${month}@` : `${month} ${project} `;
      const key = `${shard} ${field}session.webrtc`;
      sums.set(key, (sums.get(key) ?? 0n) + BigInt(quantity));
    }
  }
  return sums;
}

const following = (month: string): string => `2026-${String(Number(month.slice(5)) + 1).padStart(2, '0')}`;
