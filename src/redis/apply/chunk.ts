import type { RatedEvent } from '../../rating/usage';
import { shardTorn } from '../checks/find-double-counts';
import type { ScriptAnswer } from '../scripts';

/**
 * A run of one partition's events. There is no gap between chunks: each begins at the `next` of the
 * one before.
 */
export interface Chunk {
  readonly topic: string;
  /** The partition's name in its shard; the topic if absent. See lanes.ts. */
  readonly lane?: string;
  /** The first offset of the chunk. */
  readonly from: number;
  /** The offset after the last one of the chunk. */
  readonly next: number;
  /** The leader epoch of all of its records; absent if it is not known. */
  readonly epoch?: number | undefined;
  /** A leader epoch that the log is known to hold up to `from`. */
  readonly follows?: number | undefined;
  /**
   * In offset order; every offset is in [from, next). Bad events and filtered records are absent.
   */
  readonly events: readonly RatedEvent[];
}

/** The epochs of a chunk, as the scripts take them. */
export const epochArguments = ({ epoch = -1, follows }: Chunk): [string, string] => [
  String(epoch),
  follows === undefined ? '' : String(follows),
];

/** How many events of a chunk had which outcome. */
export interface AppliedCounts {
  /** Usages that were added, including late ones. */
  readonly counted: number;
  /** Duplicates of usages and of voids. */
  readonly duplicates: number;
  readonly late: number;
  readonly voided: number;
  /** Voids of an event that the dedup index does not contain. They took nothing back. */
  readonly unknownVoids: number;
}

export type ApplyAnswer =
  | ({ readonly answer: 'APPLIED' } & AppliedCounts)
  | (Refusal & {
      /** What the steps before the refused one have counted; absent if there were none. */
      readonly applied?: AppliedCounts;
    });

/** The answers of a step that counted nothing. */
export type Refusal =
  | { readonly answer: 'ALREADY_APPLIED'; readonly cursor: number }
  | { readonly answer: 'OVERLAP'; readonly cursor: number }
  | { readonly answer: 'GAP'; readonly cursor: number }
  | { readonly answer: 'UNINITIALISED' }
  /** What is before the chunk was counted in this leader epoch. Does the log still hold it? */
  | { readonly answer: 'EPOCH'; readonly epoch: number }
  | { readonly answer: 'UNFROZEN'; readonly month: string }
  /** Another partition of the shard has to reach its cut-off first. See open-month.lua. */
  | { readonly answer: 'BEHIND'; readonly lane: string }
  | { readonly answer: 'REJECTED'; readonly detail: string }
  /** The void at `offset` would take back more than there is. */
  | { readonly answer: 'VOID_MISMATCH'; readonly offset: number; readonly detail: string };

export const NOTHING_APPLIED: AppliedCounts = {
  counted: 0,
  duplicates: 0,
  late: 0,
  voided: 0,
  unknownVoids: 0,
};

export function addCounts(a: AppliedCounts, b: AppliedCounts): AppliedCounts {
  return {
    counted: a.counted + b.counted,
    duplicates: a.duplicates + b.duplicates,
    late: a.late + b.late,
    voided: a.voided + b.voided,
    unknownVoids: a.unknownVoids + b.unknownVoids,
  };
}

/**
 * Reads the answers that apply.lua and void.lua share, which count nothing.
 *
 * @throws TallymanError `SHARD_TORN` if an earlier step was written in part
 */
export function readRefusal(shard: number, [answer, value]: ScriptAnswer): Refusal {
  switch (answer) {
    case 'ALREADY_APPLIED':
    case 'OVERLAP':
    case 'GAP':
      return { answer, cursor: Number(value) };
    case 'UNINITIALISED':
      return { answer };
    case 'EPOCH':
      return { answer, epoch: Number(value) };
    case 'UNFROZEN':
      return { answer, month: String(value) };
    case 'BEHIND':
      return { answer, lane: String(value) };
    case 'TORN':
      throw shardTorn([{ shard, problem: String(value) }]);
    case 'REJECTED':
      return { answer, detail: String(value) };
    default:
      throw new Error(`a script answered ${answer}`);
  }
}
