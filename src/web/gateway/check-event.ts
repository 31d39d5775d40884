import { decodeEvent, type TimeLimits } from '../../../consumers/decode/decode-event';
import { consumerOfType } from '../../../consumers';
import type { RejectedEvent } from '../../../schemas/types';
import { describeValue } from '../../lib/text/describe-value';
import { isJsonObject } from '../../../consumers/usage-consumer';
import type { GivenEvent } from './read-events';

/** The topic of a valid event, or the reason of its rejection. */
export type EventCheck =
  | { readonly ok: true; readonly topic: string; readonly project: string }
  | { readonly ok: false; readonly rejected: Omit<RejectedEvent, 'index'> };

/**
 * Judges an event as the consumers will, with the same code, and by the current time, which the
 * record will have.
 *
 * @param mayPublish whether the token is for a project
 */
export function checkEvent(
  event: GivenEvent,
  limits: TimeLimits,
  nowMs: number,
  mayPublish: (project: string) => boolean,
): EventCheck {
  const rejected = (reason: string, detail: string): EventCheck => ({
    ok: false,
    rejected: { ...(typeof event.id === 'string' && { id: event.id }), reason, detail },
  });
  const consumer = consumerOfType(event.type, () => voidedTypeOf(event));
  if (typeof consumer === 'string') return rejected('schema_violation', consumer);
  // This is checked first, so that nothing else is told about an event of another project.
  if (typeof event.subject === 'string' && !mayPublish(event.subject)) {
    return rejected('forbidden', `The token is not for a producer of ${describeValue(event.subject)}.`);
  }
  const decoded = decodeEvent(consumer, { offset: 0, timestampMs: nowMs, ...event }, limits);
  if (!decoded.ok) return rejected(decoded.reason, decoded.detail);
  return { ok: true, topic: consumer.topic, project: decoded.project };
}

function voidedTypeOf({ value, parsed }: GivenEvent): unknown {
  try {
    // In binary mode the value is the data. Voids are rare, so it may be parsed once more.
    const data: unknown =
      parsed === undefined ? JSON.parse(value.toString('utf8')) : (parsed.document as GivenData).data;
    return isJsonObject(data) ? data['type'] : undefined;
  } catch {
    return undefined;
  }
}

interface GivenData {
  readonly data?: unknown;
}
