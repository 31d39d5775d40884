import { meterKey } from '../../rating/meters';
import type { RatedEvent } from '../../rating/usage';
import { epochArguments, NOTHING_APPLIED, readRefusal, type ApplyAnswer, type Chunk } from './chunk';
import type { Fingerprint } from './fingerprint';
import { lastOf, newMark, windowState, withDedupIndex, type DedupWindows } from './dedup-index';
import { fingerprintBytes, isDayOf, wellFormed } from './pack-chunk';
import type { ScriptAnswer } from '../scripts';
import type { Store } from '../store';
import { readLeftMonth } from '../usage/left-months';

/**
 * No topic's name contains this sign, so the fingerprint of a void never equals that of an event.
 */
const VOID_MARK = '#void';

/**
 * Takes back the event that a void names, and moves the topic's cursor, in one atomic step. An
 * event is taken back once, however many voids name it. An event that comes after its void is not
 * counted.
 *
 * @param chunk holds the void alone
 * @param lastClosed see `apply`
 */
export async function voidEvent(
  store: Store,
  shard: number,
  chunk: Chunk,
  lastClosed?: string,
): Promise<ApplyAnswer> {
  const { topic, lane = topic } = chunk;
  const event = chunk.events[0]!;
  const { offset, project, month, day } = event;
  if (!(Number.isSafeInteger(offset) && offset >= 0))
    return { answer: 'REJECTED', detail: `${offset} is not an offset` };
  if (!isDayOf(day, month))
    return { answer: 'REJECTED', detail: `offset ${offset}: "${day}" is not a day of "${month}"` };
  const quantities = quantitiesOf(event);
  if (typeof quantities === 'string')
    return { answer: 'REJECTED', detail: `offset ${offset}: ${quantities}` };
  const keys = store.keys.shard(shard);
  const own = store.fingerprinter.of(topic, event);
  const asVoid = store.fingerprinter.of(topic + VOID_MARK, event);
  const answer = await withDedupIndex(store, shard, topic, async (known) => {
    const halves = Uint32Array.of(...asVoid, ...(isIn(known?.own, own) ? [] : own));
    const addition = { shard, topic, known, held: known?.own.ids.size ?? 0, halves, mark: newMark() };
    const send = (left: string, held: readonly bigint[]): Promise<ScriptAnswer> =>
      store.redis.voidEvent(
        ...[keys.cursor, keys.closed, keys.totalsStem, keys.dailyStem, keys.projectsStem, keys.idsStem],
        ...[keys.writes, keys.left],
        ...[topic, String(offset), ...windowState(known), stateOf(known, own, asVoid)],
        fingerprintBytes(halves),
        ...[project, month, day, lastClosed ?? '', ...epochArguments(chunk)],
        ...[lane, lastOf(known), fingerprintBytes(addition.mark), left],
        ...quantities.flatMap(([meter, quantity], i) => [meter, String(quantity), String(held[i] ?? 0n)]),
      );
    let sent = await send('', []);
    while (sent[0] === 'LEFT') {
      const left = String(sent[1]);
      sent = await send(left, await heldByLeft(store, shard, event, left, quantities));
    }
    if (sent[0] === 'VOIDED' || sent[0] === 'UNKNOWN') await store.dedupIndex.noteAdded(addition, sent[1]);
    return sent;
  });
  switch (answer[0]) {
    case 'VOIDED':
      return { answer: 'APPLIED', ...NOTHING_APPLIED, voided: 1 };
    case 'DUPLICATE':
      return { answer: 'APPLIED', ...NOTHING_APPLIED, duplicates: 1 };
    case 'UNKNOWN':
      return { answer: 'APPLIED', ...NOTHING_APPLIED, unknownVoids: 1 };
    case 'MISMATCH':
      return { answer: 'VOID_MISMATCH', offset, detail: String(answer[1]) };
    default:
      return readRefusal(shard, answer);
  }
}

type Quantities = readonly (readonly [meter: string, quantity: bigint])[];

/**
 * Each meter once, with its whole quantity. Returns a string that describes the problem if there is
 * one.
 */
function quantitiesOf({ usages }: RatedEvent): Quantities | string {
  const sums = new Map<string, bigint>();
  for (const { meter, model, quantity } of usages) {
    if (!/^[1-9]\d{0,18}$/.test(quantity)) return `"${quantity}" is not a quantity above 0`;
    const key = wellFormed(meterKey(meter, model));
    sums.set(key, (sums.get(key) ?? 0n) + BigInt(quantity));
  }
  return [...sums];
}

/** What months that have left Redis hold of an event's day, in the order of its quantities. */
async function heldByLeft(
  store: Store,
  shard: number,
  { project, day }: RatedEvent,
  left: string,
  quantities: Quantities,
): Promise<bigint[]> {
  const held = quantities.map(() => 0n);
  for (const month of left.split(',').filter(Boolean)) {
    const usage = (await readLeftMonth(store, shard, month, [project])).get(project);
    quantities.forEach(([meter], i) => (held[i]! += usage?.daily.get(`${day}/${meter}`) ?? 0n));
  }
  return held;
}

/** The state of the voided event, by the dedup index. */
function stateOf(
  known: DedupWindows | undefined,
  own: Fingerprint,
  asVoid: Fingerprint,
): 'VOIDED' | 'COUNTED' | 'UNKNOWN' {
  const isKnown = (one: Fingerprint): boolean => isIn(known?.own, one) || isIn(known?.previous, one);
  if (isKnown(asVoid)) return 'VOIDED';
  return isKnown(own) ? 'COUNTED' : 'UNKNOWN';
}

const isIn = (period: DedupWindows['previous'], one: Fingerprint): boolean =>
  period?.ids.has(...one) === true;
