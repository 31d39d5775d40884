import { updateOpen, type OpenPlace } from '../../redis/livekit/open-sessions';
import type { Store } from '../../redis/store';
import type { Logger } from '../../lib/logger';
import { textOf, usageOfWebhook, type LiveKitUsage, type MappingRules } from '../usage-of-webhook';
import type { Look } from './room-census';

/** Why a usage was ended without a webhook. The usage has it as `endedBy`. */
export type EndedBy = 'room_finished' | 'watch' | 'limit';

export type Json = Readonly<Record<string, unknown>>;

export interface WatchOptions {
  readonly store: Store;
  readonly rules: MappingRules;
  /** What nobody has seen for this long ended when it was last seen. */
  readonly limitMs: number;
  readonly onEnded: (by: EndedBy) => void;
  readonly logger: Logger;
}

/** What a watch has ended. */
export interface Endings {
  readonly usages: readonly LiveKitUsage[];
  /** To be noted as ended once the usages are in Kafka: until then they are ended again. */
  readonly places: readonly OpenPlace[];
}

/**
 * Ends usages whose end never comes, because a killed server sends nothing more. A usage has the
 * same id whoever ends it, so an end that arrives after all is a duplicate.
 */
export interface Watch {
  /** Processes a webhook, in the order in which they were stored. */
  note(webhook: Json): Promise<Endings>;
  /**
   * Compares everything that is open with what the server reports. Without a server, only
   * `room_finished` and the limit end anything.
   */
  look(look: Look): Promise<Endings>;
}

export const NOTHING: Endings = { usages: [], places: [] };

/** Rooms, egress or ingress that are queried at once. */
export const QUERIES_AT_ONCE = 8;

/** Two queries that are closer than this count as one, for example from two bridges. */
const LOOKS_APART_MS = 10_000;

/** A message of a webhook; empty if it is not one. */
export function messageIn(webhook: Json, field: string): Json {
  const value = webhook[field];
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

/** @returns undefined for what is not a time */
export function secondsToMs(seconds: unknown): number | undefined {
  const ms = Number(/^\d+$/.exec(textOf(seconds) ?? '')?.[0]) * 1000;
  return Number.isSafeInteger(ms) ? ms : undefined;
}

interface LastSeen {
  readonly lastSeenMs: number;
  readonly missedAtMs?: number;
}

/** What an open usage is: seen, missed for the first time, over, or nothing new. */
type Verdict = 'seen' | 'missed' | 'unknown' | Extract<EndedBy, 'watch' | 'limit'>;

/**
 * Once is not enough to end a usage, because the server may have just started. It is queried a
 * second time.
 *
 * @param isPresent undefined if the server did not answer
 */
function verdictOn(
  { lastSeenMs, missedAtMs }: LastSeen,
  isPresent: boolean | undefined,
  askedAtMs: number,
  limitMs: number,
): Verdict {
  if (isPresent === undefined) return askedAtMs - lastSeenMs >= limitMs ? 'limit' : 'unknown';
  if (isPresent) return 'seen';
  if (missedAtMs === undefined) return 'missed';
  return askedAtMs - missedAtMs >= LOOKS_APART_MS ? 'watch' : 'unknown';
}

/**
 * Records what a look found of something open.
 *
 * @param isPresent undefined if the server did not answer
 * @returns why it has ended; undefined if it goes on, or if that is not known yet
 */
export async function noteLook(
  { store, limitMs }: Pick<WatchOptions, 'store' | 'limitMs'>,
  place: OpenPlace,
  open: LastSeen,
  { isPresent, askedAtMs }: { readonly isPresent: boolean | undefined; readonly askedAtMs: number },
): Promise<EndedBy | undefined> {
  const verdict = verdictOn(open, isPresent, askedAtMs, limitMs);
  if (verdict === 'watch' || verdict === 'limit') return verdict;
  const { missedAtMs: _, ...seen } = open;
  // It may have begun since.
  const lastSeenMs = Math.max(open.lastSeenMs, askedAtMs);
  if (verdict === 'seen') await updateOpen(store, place, JSON.stringify({ ...seen, lastSeenMs }));
  if (verdict === 'missed')
    await updateOpen(store, place, JSON.stringify({ ...open, missedAtMs: askedAtMs }));
  return undefined;
}

/** The usage of the webhook that did not arrive, as the server would have sent it. */
export function usageEndedBy(
  endedBy: EndedBy,
  webhook: Json,
  { rules, onEnded, logger }: Pick<WatchOptions, 'rules' | 'onEnded' | 'logger'>,
): LiveKitUsage[] {
  const outcome = usageOfWebhook(webhook, rules);
  if (outcome.kind === 'malformed') {
    const { field, value } = outcome;
    logger.error(
      { field, value },
      'what LiveKit listed lacks fields that its usage needs; it counts nothing',
    );
  }
  if (outcome.kind !== 'usage') return [];
  onEnded(endedBy);
  const { usage } = outcome;
  return [{ ...usage, data: { ...usage.data, endedBy } }];
}
