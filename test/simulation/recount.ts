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
): Sums {
  const sums: Sums = new Map();
  for (const [shard, entries] of logs.entries()) {
    /** Identity -> the period in which it was counted last. */
    const counted = new Map<string, number>();
    for (const [offset, entry] of entries.slice(0, cursors[shard]).entries()) {
      if (entry === 'hidden' || !entry.value.startsWith('{')) continue;
      const { project, id, month, quantity } = JSON.parse(entry.value) as UsageValue;
      const closedBefore = closes.filter(({ cursors: at }) => (at[shard]?.[topic] ?? Infinity) <= offset);
      const period = closedBefore.length;
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
