import type { ScriptAnswer } from '../scripts';
import type { Store } from '../store';
import {
  addCounts,
  epochArguments,
  NOTHING_APPLIED,
  readRefusal,
  type AppliedCounts,
  type ApplyAnswer,
  type Chunk,
  type Refusal,
} from './chunk';
import { lastOf, newMark, windowState, withDedupIndex } from './dedup-index';
import { fingerprintBytes, packChunk, type PackedChunk } from './pack-chunk';
import { voidEvent } from './void-event';

const NOTHING_PACKED: PackedChunk = {
  ...{ halves: new Uint32Array(0), usages: '[[],[]]' },
  ...{ counted: 0, duplicates: 0, late: 0 },
};

/**
 * Counts a chunk in a shard. One atomic step leaves out duplicates, adds the rest to the totals of
 * their billing months and moves the topic's cursor. A chunk may be sent again, or by two processes
 * at once: only one of them is APPLIED.
 *
 * Some chunks take several steps, each atomic. If a month was frozen inside a chunk, as happens
 * only in a replay, the chunk is split there. Every void is a step of its own, so that it finds
 * what came before it. The first step that is not APPLIED gives the answer, and the steps before it
 * stay.
 *
 * The promise rejects if Redis cannot write. Nothing was written then, unless no answer came at
 * all. In both cases the same chunk may be sent again. It also rejects with `SHARD_TORN`.
 *
 * @param lastClosed the latest closed month that the caller has seen. A shard that has lost the
 *   cut-off of that month would count late usage as timely, so it answers UNFROZEN.
 */
export async function apply(
  store: Store,
  shard: number,
  chunk: Chunk,
  lastClosed?: string,
): Promise<ApplyAnswer> {
  const steps = [...stepsOf(chunk)];
  let sum: AppliedCounts | undefined;
  for (let step = steps.shift(); step; step = steps.shift()) {
    const answer = isVoid(step)
      ? await voidEvent(store, shard, step, lastClosed)
      : await applyUsages(store, shard, step, lastClosed);
    if (answer.answer === 'SPLIT') steps.unshift(...splitAt(step, answer.at));
    else if (answer.answer === 'APPLIED') sum = addCounts(sum ?? NOTHING_APPLIED, answer);
    else return { ...ofWhole(answer, chunk), ...(sum && { applied: sum }) };
  }
  return { answer: 'APPLIED', ...(sum ?? NOTHING_APPLIED) };
}

/** If only this step was applied before, the rest of the chunk may still be new. */
function ofWhole(answer: Refusal, { next }: Chunk): Refusal {
  const isPart = answer.answer === 'ALREADY_APPLIED' && answer.cursor < next;
  return isPart ? { answer: 'OVERLAP', cursor: answer.cursor } : answer;
}

/** Runs of usages, and each void on its own, without a gap between them. */
function* stepsOf(chunk: Chunk): Generator<Chunk> {
  const { from, next, events } = chunk;
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
      yield { ...chunk, from: start, next: event.offset, events: events.slice(taken, at) };
    }
    yield { ...chunk, from: event.offset, next: event.offset + 1, events: [event] };
    start = event.offset + 1;
    taken = at + 1;
  }
  if (start !== next || taken < events.length) {
    yield { ...chunk, from: start, next, events: events.slice(taken) };
  }
}

function isVoid({ events }: Chunk): boolean {
  return events.length === 1 && events[0]!.isVoid === true;
}

async function applyUsages(
  store: Store,
  shard: number,
  chunk: Chunk,
  lastClosed: string | undefined,
): Promise<ApplyAnswer | { readonly answer: 'SPLIT'; readonly at: number }> {
  const { topic, lane = topic, from, next } = chunk;
  if (!(Number.isSafeInteger(from) && Number.isSafeInteger(next) && from >= 0 && next >= from)) {
    return { answer: 'REJECTED', detail: `from ${from} to ${next} is not a range of offsets` };
  }
  const keys = store.keys.shard(shard);
  const answer = await withDedupIndex(store, shard, topic, async (known): Promise<ScriptAnswer> => {
    // Before the index is read, an empty chunk makes the script return the size of the index. It
    // counts nothing.
    const packed = known ? packChunk(store.fingerprinter, chunk, known) : NOTHING_PACKED;
    if (typeof packed === 'string') return ['REJECTED', packed];
    const { halves } = packed;
    const addition = { shard, topic, known, held: known?.own.ids.size ?? 0, halves, mark: newMark() };
    const sent = await store.redis.applyChunk(
      ...[keys.cursor, keys.closed, keys.totalsStem, keys.dailyStem, keys.projectsStem, keys.idsStem],
      keys.writes,
      ...[topic, String(from), String(next), ...windowState(known)],
      fingerprintBytes(halves),
      packed.usages,
      lastClosed ?? '',
      ...epochArguments(chunk),
      ...[lane, lastOf(known), fingerprintBytes(addition.mark)],
    );
    if (sent[0] !== 'APPLIED') return sent;
    await store.dedupIndex.noteAdded(addition, sent[1]);
    // packChunk counted the events, not the script.
    return ['APPLIED', packed.counted, packed.duplicates, packed.late];
  });
  const [name, counted, duplicates, late] = answer;
  if (name === 'SPLIT') return { answer: name, at: Number(counted) };
  if (name !== 'APPLIED') return readRefusal(shard, answer);
  return {
    ...{ answer: name, ...NOTHING_APPLIED },
    ...{ counted: Number(counted), duplicates: Number(duplicates), late: Number(late) },
  };
}

function splitAt(chunk: Chunk, at: number): [Chunk, Chunk] {
  const below = chunk.events.filter(({ offset }) => offset < at);
  return [
    { ...chunk, next: at, events: below },
    { ...chunk, from: at, events: chunk.events.slice(below.length) },
  ];
}
