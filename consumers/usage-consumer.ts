import type { ErrorObject } from 'ajv';
import type { Usage } from '../src/rating/usage';
import { compileSchema, problemOf } from '../src/lib/schema';
import { describeValue } from '../src/lib/text/describe-value';
import { reject, type Rejection } from './decode/rejection';
import type { Fields } from './decode/precheck';

/** What distinguishes one raw topic: the type of its events, and how an event becomes usages. */
export interface UsageConsumer {
  readonly name: 'session' | 'transfer' | 'agent' | 'inference';
  /** Without the installation's prefix. */
  readonly topic: string;
  readonly eventType: string;
  usagesOf(data: unknown): Usage[] | Rejection;
}

/**
 * Makes a consumer that checks data by the schema of their type before `usagesOf` gets them.
 *
 * @param consumer.passesPrecheck true only for data that the schema takes, and faster than it
 * @typeParam Data the schema's `data`, from `schemas/types.ts`
 */
export function usageConsumer<Data>(
  consumer: Pick<UsageConsumer, 'name' | 'topic' | 'eventType'> & {
    passesPrecheck: (data: Fields) => boolean;
    usagesOf: (data: Data) => Usage[] | Rejection;
  },
): UsageConsumer {
  const { name, topic, eventType, passesPrecheck, usagesOf } = consumer;
  const isGood = compileSchema<Data>(`${eventType}.json`, '#/properties/data');
  return {
    name,
    topic,
    eventType,
    usagesOf: (data) => {
      if (isJsonObject(data) && passesPrecheck(data)) return usagesOf(data as Data);
      return isGood(data) ? usagesOf(data) : badData(data, isGood.errors ?? []);
    },
  };
}

/**
 * The validator stops at the first rule that fails, which is the last error. The errors before it
 * belong to alternatives.
 */
function badData(data: unknown, errors: readonly ErrorObject[]): Rejection {
  const error = errors.filter(({ keyword }) => keyword !== 'if').at(-1);
  return reject(
    'schema_violation',
    error === undefined || !isJsonObject(data)
      ? `data is ${describeValue(data)} and must be an object`
      : problemOf(error, 'data'),
  );
}

/** Rejects an event that has its data only in base64. */
export function base64Data({ data, data_base64: base64 }: Fields, path = ''): Rejection | undefined {
  if ((data !== undefined && data !== null) || base64 === undefined || base64 === null) return undefined;
  return reject(
    'schema_violation',
    `${path}data_base64 is ${describeValue(base64)} and is not taken: ${path}data must be a JSON object`,
  );
}

export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
