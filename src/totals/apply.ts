import type { RatedEvent } from '../rating/usage';

/** A run of one partition's events, without holes between chunks: `next` of one is `from` of the following. */
export interface Chunk {
  readonly topic: string;
  /** The first offset that this chunk answers for. */
  readonly from: number;
  /** The offset after the last one that this chunk answers for. */
  readonly next: number;
  /** In offset order; every offset is in [from, next). Bad events and filtered records are simply absent. */
  readonly events: readonly RatedEvent[];
}

export type ApplyAnswer =
  | { readonly answer: 'APPLIED'; readonly counted: number; readonly duplicates: number; readonly late: number }
  | { readonly answer: 'ALREADY_APPLIED'; readonly cursor: number }
  | { readonly answer: 'OVERLAP'; readonly cursor: number }
  | { readonly answer: 'GAP'; readonly cursor: number }
  | { readonly answer: 'UNINITIALISED' }
  | { readonly answer: 'REJECTED'; readonly detail: string };
