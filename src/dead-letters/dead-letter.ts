import { isUtf8 } from 'node:buffer';
import type { RawHeaders } from '../../consumers/decode/attributes';
import type { Rejection, RejectionReason } from '../../consumers/decode/rejection';
import type { Publisher } from '../kafka/producer';
import { DEAD_LETTER_TOPIC, topicName } from '../kafka/topics/topics';

/** Text, or what is not UTF-8 as base64. */
type Text = string | { readonly base64: string };

export type DeadLetterPart = 'value' | 'key' | 'headers';

/** A bad event with its reason and its place: `schemas/dead-letter.v1.json`. */
export interface DeadLetter {
  readonly reason: RejectionReason;
  readonly detail: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** The record's timestamp, in ms. */
  readonly timestamp: number;
  readonly key: Text | null;
  /** base64; of a `too_large` one the first 64 KiB. */
  readonly value: string | null;
  readonly headers: Readonly<Record<string, Text | null | readonly (Text | null)[]>>;
  /** The parts of the event that the letter does not hold whole; absent where it holds all. */
  readonly missing?: readonly DeadLetterPart[];
  /** When its event was published again, ISO 8601 in UTC. */
  readonly replayedAt?: string;
}

/** A record that was refused, as it stands in the log. */
export interface RejectedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RawHeaders | undefined;
  readonly rejection: Rejection;
}

export interface DeadLetters {
  /** Resolves when the dead letters are safe: only then may the log be passed. */
  publish(records: readonly RejectedRecord[]): Promise<void>;
}

const VALUE_BYTES_SHOWN = 64 * 1024;
/**
 * Key and headers above this size, together, are left out: a letter too large for its topic could
 * never be published, and its event would stop the consumer for good.
 */
const KEY_AND_HEADERS_MAX_BYTES = 256 * 1024;
/**
 * What JSON takes for each besides its bytes, about: quotes or `null`, and a comma. A million empty
 * ones are large, too.
 */
const JSON_BYTES = 8;

/**
 * Publishes dead letters under the place of the record, so that one that is published again has the
 * same key.
 */
export function createDeadLetters(publisher: Publisher, prefix: string): DeadLetters {
  const topic = topicName(prefix, DEAD_LETTER_TOPIC);
  return {
    async publish(records) {
      await publisher.publish(
        topic,
        records.map((record) => ({
          key: `${record.topic}/${record.partition}/${record.offset}`,
          value: JSON.stringify(deadLetterOf(record)),
        })),
      );
    },
  };
}

export function deadLetterOf(record: RejectedRecord): DeadLetter {
  const { rejection, value, key, headers = {} } = record;
  const isCut = rejection.reason === 'too_large';
  const shown = isCut ? value?.subarray(0, VALUE_BYTES_SHOWN) : value;
  const extras = [key, ...Object.entries(headers).flat(2)];
  const extraBytes = extras.reduce<number>((sum, one) => sum + bytesOf(one), 0);
  const fits = extraBytes + extras.length * JSON_BYTES <= KEY_AND_HEADERS_MAX_BYTES;
  const missing: DeadLetterPart[] = [
    ...(isCut ? ['value' as const] : []),
    ...(fits ? [] : ['key' as const, 'headers' as const]),
  ];
  return {
    reason: rejection.reason,
    detail: fits
      ? rejection.detail
      : `${rejection.detail} (${extraBytes} bytes of key and headers are left out)`,
    topic: record.topic,
    partition: record.partition,
    offset: String(record.offset),
    timestamp: record.timestampMs,
    key: fits ? textOf(key) : null,
    value: shown?.toString('base64') ?? null,
    headers: fits ? headersOf(headers) : {},
    ...(missing.length > 0 && { missing }),
  };
}

const bytesOf = (part: Buffer | string | null | undefined): number => (part ? Buffer.byteLength(part) : 0);

function headersOf(headers: RawHeaders): DeadLetter['headers'] {
  // fromEntries defines fields, so that a header called `__proto__` stays one.
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(textOf) : textOf(value),
    ]),
  );
}

function textOf(bytes: Buffer | string | null | undefined): Text | null {
  if (bytes === null || bytes === undefined || typeof bytes === 'string') return bytes ?? null;
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}
