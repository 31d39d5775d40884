import { parseInstant, type Instant } from '../src/rating/instant';
import type { Usage } from '../src/rating/usage';
import { compileSchema, problemOf } from '../src/lib/schema';
import { describeValue } from '../src/lib/text/describe-value';
import type { VoidData } from '../schemas/types';
import { reject, type Rejection } from './decode/rejection';
import { implausibleUsage } from './decode/plausible';
import { base64Data, isJsonObject, type UsageConsumer } from './usage-consumer';

/** The type of an event that takes back another one. Every usage topic takes it. */
export const VOID_TYPE = 'usage.void.v1';

export interface VoidedEvent {
  readonly ok: true;
  readonly id: string;
  readonly source: string;
  readonly time: Instant;
  readonly usages: readonly Usage[];
}

const isGood = compileSchema<VoidData>(`${VOID_TYPE}.json`, '#/properties/data');

/**
 * Reads the voided event from the data of a void. The void repeats the event, so that both give the
 * same quantities.
 */
export function readVoided(consumer: UsageConsumer, data: unknown): VoidedEvent | Rejection {
  if (!isGood(data)) {
    const base64 = isJsonObject(data) ? base64Data(data, 'data.') : undefined;
    if (base64 !== undefined) return base64;
    const error = isGood.errors?.at(-1);
    return reject(
      'schema_violation',
      error === undefined || !isJsonObject(data)
        ? `data is ${describeValue(data)} and must be an object`
        : problemOf(error, 'data'),
    );
  }
  if (data.type !== consumer.eventType) {
    return reject(
      'wrong_type',
      `data.type is ${describeValue(data.type)} and must be "${consumer.eventType}": a void goes to its event's topic`,
    );
  }
  const usages = consumer.usagesOf(data.data);
  if (!Array.isArray(usages)) return ofVoided(usages);
  // The pattern in the schema takes exactly what parseInstant takes.
  return { ok: true, id: data.id, source: data.source, time: parseInstant(data.time)!, usages };
}

/** A void of an event that would be rejected as too long takes nothing back. */
export function implausibleVoid(
  data: unknown,
  usages: readonly Usage[],
  limitMs: number,
): Rejection | undefined {
  const found = implausibleUsage((data as VoidData).data, usages, limitMs);
  return found && ofVoided(found);
}

const ofVoided = ({ reason, detail }: Rejection): Rejection =>
  reject(reason, `in the event to take back, ${detail}`);
