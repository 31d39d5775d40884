import type { RatedEvent } from '../rating/usage';
import type { ScriptAnswer } from './commands';
import { packChunk } from './pack-chunk';
import type { Store } from './store';

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
  | {
      readonly answer: 'APPLIED';
      readonly counted: number;
      readonly duplicates: number;
      readonly late: number;
    }
  | { readonly answer: 'ALREADY_APPLIED'; readonly cursor: number }
  | { readonly answer: 'OVERLAP'; readonly cursor: number }
  | { readonly answer: 'GAP'; readonly cursor: number }
  | { readonly answer: 'UNINITIALISED' }
  | { readonly answer: 'UNFROZEN'; readonly month: string }
  | { readonly answer: 'REJECTED'; readonly detail: string };

/**
 * Counts a chunk in a shard: dedupes its events, adds them to the totals of their bill months and moves the topic's
 * cursor, in one atomic step. Sending a chunk again, or from two processes at once, is harmless: one of them is APPLIED.
 *
 * A chunk inside which a month was frozen (this is only met in a replay) is applied in two steps, split where the
 * freeze lies. If the second is not APPLIED, its answer is the answer, and the first stays.
 *
 * A rejection: whatever Redis answers when it will not or cannot write. Nothing was written then, unless no answer came
 * at all; in both cases the same chunk may be sent again.
 *
 * @param lastClosed the latest month that the caller knows to be closed. A shard that has lost its freeze would take late
 *   usage for timely: it answers UNFROZEN
 */
export async function apply(
  store: Store,
  shard: number,
  chunk: Chunk,
  lastClosed?: string,
): Promise<ApplyAnswer> {
  const packed = packChunk(store.fingerprinter, chunk);
  if (typeof packed === 'string') return { answer: 'REJECTED', detail: packed };
  const keys = store.keys.shard(shard);
  const [answer, ...values] = await store.redis.applyChunk(
    keys.cursor,
    keys.closed,
    keys.totalsStem,
    keys.dailyStem,
    keys.projectsStem,
    keys.idsStem,
    chunk.topic,
    String(chunk.from),
    String(chunk.next),
    packed.fingerprints,
    packed.usages,
    packed.events,
    lastClosed ?? '',
  );
  if (answer === 'SPLIT') return applySplit(store, shard, chunk, lastClosed, Number(values[0]));
  return readAnswer([answer, ...values]);
}

async function applySplit(
  store: Store,
  shard: number,
  chunk: Chunk,
  lastClosed: string | undefined,
  at: number,
): Promise<ApplyAnswer> {
  const { topic, from, next, events } = chunk;
  const below = { topic, from, next: at, events: events.filter(({ offset }) => offset < at) };
  const first = await apply(store, shard, below, lastClosed);
  if (first.answer !== 'APPLIED') return first;
  const rest = { topic, from: at, next, events: events.filter(({ offset }) => offset >= at) };
  const second = await apply(store, shard, rest, lastClosed);
  if (second.answer !== 'APPLIED') return second;
  return {
    answer: 'APPLIED',
    counted: first.counted + second.counted,
    duplicates: first.duplicates + second.duplicates,
    late: first.late + second.late,
  };
}

function readAnswer([answer, first, second, third]: ScriptAnswer): ApplyAnswer {
  switch (answer) {
    case 'APPLIED':
      return { answer, counted: Number(first), duplicates: Number(second), late: Number(third) };
    case 'ALREADY_APPLIED':
    case 'OVERLAP':
    case 'GAP':
      return { answer, cursor: Number(first) };
    case 'UNINITIALISED':
      return { answer };
    case 'UNFROZEN':
      return { answer, month: String(first) };
    case 'REJECTED':
      return { answer, detail: String(first) };
    default:
      throw new Error(`apply.lua answered ${answer}`);
  }
}
