import type { RatedEvent } from '../../rating/usage';
import type { ScriptAnswer } from '../scripts';
import { idState, withKnownIds } from './dedup-index';
import { fingerprintBytes, packChunk, type PackedChunk } from './pack-chunk';
import { voidEvent, type VoidAnswer } from './void-event';
import type { Store } from '../store';

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

/** What became of the events of a chunk. */
export interface AppliedCounts {
  /** Usages that were added, the late ones among them. */
  readonly counted: number;
  /** Repeats, of usages and of voids. */
  readonly duplicates: number;
  readonly late: number;
  /** Usages that were taken back. */
  readonly voided: number;
  /** Voids of an event that was not counted, as far as ids are remembered: they took nothing back. */
  readonly unknownVoids: number;
}

export type ApplyAnswer =
  | ({ readonly answer: 'APPLIED' } & AppliedCounts)
  | { readonly answer: 'ALREADY_APPLIED'; readonly cursor: number }
  | { readonly answer: 'OVERLAP'; readonly cursor: number }
  | { readonly answer: 'GAP'; readonly cursor: number }
  | { readonly answer: 'UNINITIALISED' }
  | { readonly answer: 'UNFROZEN'; readonly month: string }
  | { readonly answer: 'REJECTED'; readonly detail: string }
  /** The void at `offset` would take more back than there is. What lies before it is applied and counted here. */
  | ({ readonly answer: 'VOID_MISMATCH'; readonly offset: number; readonly detail: string } & AppliedCounts);

const NOTHING_PACKED: PackedChunk = {
  ...{ halves: new Uint32Array(0), usages: '[[],[]]' },
  ...{ counted: 0, duplicates: 0, late: 0 },
};

export const NOTHING_APPLIED: AppliedCounts = {
  counted: 0,
  duplicates: 0,
  late: 0,
  voided: 0,
  unknownVoids: 0,
};

/**
 * Counts a chunk in a shard: dedupes its events, adds them to the totals of their bill months and moves the topic's
 * cursor, in one atomic step. Sending a chunk again, or from two processes at once, is harmless: one of them is APPLIED.
 *
 * A chunk inside which a month was frozen (this is only met in a replay) is applied in two steps, split where the
 * freeze lies; one with voids in as many as it takes to apply each void by itself, so that it finds what came before it.
 * Each step is atomic. If one is not APPLIED, its answer is the answer, and those before it stay.
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
  let sum = NOTHING_APPLIED;
  for (const step of stepsOf(chunk)) {
    const answer = isVoid(step)
      ? await applyVoid(store, shard, step, lastClosed)
      : await applyUsages(store, shard, step, lastClosed);
    switch (answer.answer) {
      case 'APPLIED':
        sum = addCounts(sum, answer);
        break;
      case 'VOID_MISMATCH':
        return { ...answer, ...addCounts(sum, answer) };
      case 'ALREADY_APPLIED': // The step is, and then part of the chunk.
        if (answer.cursor < chunk.next) return { answer: 'OVERLAP', cursor: answer.cursor };
        return answer;
      case 'OVERLAP':
      case 'GAP':
      case 'UNINITIALISED':
      case 'UNFROZEN':
      case 'REJECTED':
        return answer;
    }
  }
  return { answer: 'APPLIED', ...sum };
}

/** Runs of usages, and voids by themselves. They leave no offset out. */
function* stepsOf(chunk: Chunk): Generator<Chunk> {
  const { topic, from, next, events } = chunk;
  const voids = events.filter(({ isVoid }) => isVoid);
  if (voids.length === 0) {
    yield chunk;
    return;
  }
  let start = from;
  let taken = 0;
  for (const event of voids) {
    const at = events.indexOf(event, taken);
    if (event.offset !== start || at > taken) {
      yield { topic, from: start, next: event.offset, events: events.slice(taken, at) };
    }
    yield { topic, from: event.offset, next: event.offset + 1, events: [event] };
    start = event.offset + 1;
    taken = at + 1;
  }
  if (start !== next || taken < events.length) {
    yield { topic, from: start, next, events: events.slice(taken) };
  }
}

function isVoid({ events }: Chunk): boolean {
  return events.length === 1 && events[0]!.isVoid === true;
}

async function applyVoid(
  store: Store,
  shard: number,
  { topic, events }: Chunk,
  lastClosed: string | undefined,
): Promise<ApplyAnswer> {
  const [event] = events;
  const answer: VoidAnswer = await voidEvent(store, shard, topic, event!, lastClosed);
  switch (answer.answer) {
    case 'VOIDED':
      return { answer: 'APPLIED', ...NOTHING_APPLIED, voided: 1 };
    case 'DUPLICATE':
      return { answer: 'APPLIED', ...NOTHING_APPLIED, duplicates: 1 };
    case 'UNKNOWN':
      return { answer: 'APPLIED', ...NOTHING_APPLIED, unknownVoids: 1 };
    case 'MISMATCH':
      return {
        answer: 'VOID_MISMATCH',
        offset: event!.offset,
        detail: answer.detail,
        ...NOTHING_APPLIED,
      };
    case 'ALREADY_APPLIED':
    case 'GAP':
    case 'UNINITIALISED':
    case 'UNFROZEN':
    case 'REJECTED':
      return answer;
  }
}

export function addCounts(a: AppliedCounts, b: AppliedCounts): AppliedCounts {
  return {
    counted: a.counted + b.counted,
    duplicates: a.duplicates + b.duplicates,
    late: a.late + b.late,
    voided: a.voided + b.voided,
    unknownVoids: a.unknownVoids + b.unknownVoids,
  };
}

async function applyUsages(
  store: Store,
  shard: number,
  chunk: Chunk,
  lastClosed: string | undefined,
): Promise<ApplyAnswer> {
  const { topic, from, next } = chunk;
  if (!(Number.isSafeInteger(from) && Number.isSafeInteger(next) && from >= 0 && next >= from)) {
    return { answer: 'REJECTED', detail: `from ${from} to ${next} is no range of offsets` };
  }
  const keys = store.keys.shard(shard);
  const answer = await withKnownIds(store, shard, topic, async (known): Promise<ScriptAnswer> => {
    // Where no ids are known yet, the script is asked for them: it counts nothing then.
    const packed = known ? packChunk(store.fingerprinter, chunk, known) : NOTHING_PACKED;
    if (typeof packed === 'string') return ['REJECTED', packed];
    const sent = await store.redis.applyChunk(
      ...[keys.cursor, keys.closed, keys.totalsStem, keys.dailyStem, keys.projectsStem, keys.idsStem],
      keys.writes,
      ...[topic, String(from), String(next), ...idState(known)],
      fingerprintBytes(packed.halves),
      packed.usages,
      lastClosed ?? '',
    );
    if (sent[0] !== 'APPLIED') return sent;
    known?.own.ids.addAll(packed.halves);
    // The script counts nothing: what the chunk came to was known before.
    return ['APPLIED', packed.counted, packed.duplicates, packed.late];
  });
  if (answer[0] === 'SPLIT') return applySplit(store, shard, chunk, lastClosed, Number(answer[1]));
  return readAnswer(answer);
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
  const first = await applyUsages(store, shard, below, lastClosed);
  if (first.answer !== 'APPLIED') return first;
  const rest = { topic, from: at, next, events: events.filter(({ offset }) => offset >= at) };
  const second = await applyUsages(store, shard, rest, lastClosed);
  if (second.answer !== 'APPLIED') return second;
  return { answer: 'APPLIED', ...addCounts(first, second) };
}

function readAnswer([answer, first, second, third]: ScriptAnswer): ApplyAnswer {
  switch (answer) {
    case 'APPLIED':
      return {
        answer,
        ...NOTHING_APPLIED,
        counted: Number(first),
        duplicates: Number(second),
        late: Number(third),
      };
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
