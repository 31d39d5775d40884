import { meterKey } from '../../rating/meters';
import type { RatedEvent } from '../../rating/usage';
import type { Fingerprint } from './fingerprint';
import { idState, withKnownIds, type KnownIds } from './dedup-index';
import { fingerprintBytes, isDayOf, wellFormed } from './pack-chunk';
import type { Store } from '../store';

/** What became of a void; where it was applied, the cursor stands behind it. */
export type VoidAnswer =
  | { readonly answer: 'VOIDED' | 'DUPLICATE' | 'UNKNOWN' }
  | { readonly answer: 'MISMATCH'; readonly detail: string }
  | { readonly answer: 'ALREADY_APPLIED'; readonly cursor: number }
  | { readonly answer: 'GAP'; readonly cursor: number }
  | { readonly answer: 'UNINITIALISED' }
  | { readonly answer: 'UNFROZEN'; readonly month: string }
  | { readonly answer: 'REJECTED'; readonly detail: string };

/** A topic's name has no such sign: what stands under it collides with no event's identity. */
const VOID_MARK = '#void';

/**
 * Takes the event that a void names back, in one atomic step with the topic's cursor. An event is taken back once,
 * however many voids name it, and counts nothing when it comes after its void.
 *
 * @param lastClosed as `apply` takes it
 */
export async function voidEvent(
  store: Store,
  shard: number,
  topic: string,
  event: RatedEvent,
  lastClosed?: string,
): Promise<VoidAnswer> {
  const { offset, project, month, day } = event;
  if (!(Number.isSafeInteger(offset) && offset >= 0))
    return { answer: 'REJECTED', detail: `${offset} is no offset` };
  if (!isDayOf(day, month))
    return { answer: 'REJECTED', detail: `offset ${offset}: "${day}" is no day of "${month}"` };
  const quantities = quantitiesOf(event);
  if (typeof quantities === 'string')
    return { answer: 'REJECTED', detail: `offset ${offset}: ${quantities}` };
  const keys = store.keys.shard(shard);
  const own = store.fingerprinter.of(topic, event);
  const asVoid = store.fingerprinter.of(topic + VOID_MARK, event);
  const [answer, value] = await withKnownIds(store, shard, topic, async (known) => {
    const halves = Uint32Array.of(...asVoid, ...(isIn(known?.own, own) ? [] : own));
    const sent = await store.redis.voidEvent(
      ...[keys.cursor, keys.closed, keys.totalsStem, keys.dailyStem, keys.projectsStem, keys.idsStem],
      keys.writes,
      ...[topic, String(offset), ...idState(known), stateOf(known, own, asVoid)],
      fingerprintBytes(halves),
      ...[project, month, day, lastClosed ?? ''],
      ...quantities,
    );
    if (sent[0] === 'VOIDED' || sent[0] === 'UNKNOWN') known?.own.ids.addAll(halves);
    return sent;
  });
  switch (answer) {
    case 'VOIDED':
    case 'DUPLICATE':
    case 'UNKNOWN':
    case 'UNINITIALISED':
      return { answer };
    case 'ALREADY_APPLIED':
    case 'GAP':
      return { answer, cursor: Number(value) };
    case 'UNFROZEN':
      return { answer, month: String(value) };
    case 'MISMATCH':
    case 'REJECTED':
      return { answer, detail: String(value) };
    default:
      throw new Error(`void.lua answered ${answer}`);
  }
}

/** Each meter once, with its whole quantity: meter, quantity, meter, quantity. A string says what is wrong. */
function quantitiesOf({ usages }: RatedEvent): string[] | string {
  const sums = new Map<string, bigint>();
  for (const { meter, model, quantity } of usages) {
    if (!/^[1-9]\d{0,18}$/.test(quantity)) return `"${quantity}" is no quantity above 0`;
    const key = wellFormed(meterKey(meter, model));
    sums.set(key, (sums.get(key) ?? 0n) + BigInt(quantity));
  }
  return [...sums].flatMap(([key, sum]) => [key, String(sum)]);
}

/** Of the event, by the ids that are known. */
function stateOf(
  known: KnownIds | undefined,
  own: Fingerprint,
  asVoid: Fingerprint,
): 'VOIDED' | 'COUNTED' | 'UNKNOWN' {
  const isKnown = (one: Fingerprint): boolean => isIn(known?.own, one) || isIn(known?.previous, one);
  if (isKnown(asVoid)) return 'VOIDED';
  return isKnown(own) ? 'COUNTED' : 'UNKNOWN';
}

const isIn = (period: KnownIds['previous'], one: Fingerprint): boolean => period?.ids.has(...one) === true;
