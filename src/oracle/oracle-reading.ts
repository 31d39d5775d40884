import type { WorkloadRecord } from './write-record';

/**
 * The content of a valid record. `quantities`: meter -> base units after rounding, including zeros.
 */
export interface Reading {
  readonly identity: string;
  readonly project: string;
  /** `YYYY-MM-DD` in UTC. */
  readonly day: string;
  readonly quantities: readonly (readonly [meter: string, quantity: bigint])[];
  /** Whether the record is a void of the event that it describes. */
  readonly isVoid: boolean;
}

/** A record that cannot be counted, with the reason of its dead letter. */
export class BadRecord extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}

export type Rounding = 'per-minute' | 'per-second';

type Fields = Record<string, unknown>;
/** Rounds a duration up to its meter's step, in seconds. */
type RoundTime = (lengthNs: bigint) => bigint;

const SECOND_NS = 1_000_000_000n;
const HOUR_NS = 3_600n * SECOND_NS;
const LENGTH_MAX_NS = 31n * 24n * HOUR_NS;
const PER_SECOND_FROM_NS = BigInt(Date.UTC(2026, 7, 24)) * 1_000_000n;
const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;
const VARIANTS = new Map([
  ['sip', ['third_party', 'us_local', 'us_toll_free']],
  ['ingress', ['transcoded', 'passthrough']],
  ['egress', ['video', 'audio_only', 'track']],
  ['connector', ['other', 'whatsapp']],
]);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads one record by the documented rules for producers, from the first to the last.
 *
 * @throws BadRecord with the first reason that applies
 */
export function readRecord(record: WorkloadRecord, rounding: Rounding): Reading {
  const { topic, value, headers, timestampMs } = record;
  if (value && value.length > 1024 * 1024) throw new BadRecord('too_large');
  const document = parse(value);
  const contentType = /^\s*application\/cloudevents(-batch)?\+json\s*(;|$)/i.exec(
    headers?.['content-type'] ?? '',
  );
  must(contentType?.[1] === undefined);
  const isBinary = contentType === null && headers?.['ce_specversion'] !== undefined;
  const event = isBinary ? attributesIn(headers) : document;
  mustBeObject(event);

  const { specversion, id, source, type, subject, time } = event;
  must(specversion === '1.0');
  must(typeof id === 'string' && id !== '' && [...id].length <= 256);
  must(typeof source === 'string' && /^[^\0-\x20\x7f]{1,256}$/u.test(source));
  must(typeof type === 'string');
  must(typeof subject === 'string' && /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/.test(subject));
  const timeNs = nanosecondsOf(time);
  const isVoid = type === 'usage.void.v1';
  if (!isVoid && type !== `${topic}.v1`) throw new BadRecord('wrong_type');

  const data = isBinary ? document : event['data'];
  mustBeObject(data);
  const about = isVoid ? voidedIn(data, topic) : { source, id, timeNs, data };
  const quantities = quantitiesOf(topic, about.data, roundTime(rounding, about.timeNs));

  const recordNs = BigInt(timestampMs) * 1_000_000n;
  if (timeNs > recordNs + HOUR_NS) throw new BadRecord('from_the_future');
  if (timeNs < recordNs - 400n * 24n * HOUR_NS) throw new BadRecord('too_old');
  if (isTimed(topic, about.data) && lengthNs(about.data) > LENGTH_MAX_NS) throw new BadRecord('implausible');
  const day = new Date(Number(about.timeNs / SECOND_NS) * 1000).toISOString().slice(0, 10);
  const identity = JSON.stringify([topic, subject, about.source, about.id]);
  return { identity, project: subject, day, quantities, isVoid };
}

/** The event that a void repeats. */
function voidedIn(
  { source, id, type, time, data }: Fields,
  topic: string,
): { source: string; id: string; timeNs: bigint; data: Fields } {
  must(typeof source === 'string' && /^[^\0-\x20\x7f]{1,256}$/u.test(source));
  must(typeof id === 'string' && id !== '' && [...id].length <= 256);
  must(/^usage\.(session|transfer|agent|inference)\.v1$/.test(asText(type)));
  const timeNs = nanosecondsOf(time);
  mustBeObject(data);
  if (type !== `${topic}.v1`) throw new BadRecord('wrong_type');
  return { source, id, timeNs, data };
}

function parse(value: Buffer | null): unknown {
  try {
    return JSON.parse(utf8.decode(value ?? Buffer.alloc(0)));
  } catch {
    throw new BadRecord('malformed_json');
  }
}

function attributesIn(headers: Readonly<Record<string, string>>): Fields {
  const attributes = Object.entries(headers).filter(([name]) => name.startsWith('ce_'));
  return Object.fromEntries(attributes.map(([name, value]) => [name.slice('ce_'.length), value]));
}

function quantitiesOf(topic: string, data: Fields, roundUp: RoundTime): (readonly [string, bigint])[] {
  const { service, direction, kind, model } = data;
  switch (topic) {
    case 'usage.session': {
      if (service === 'webrtc') return [['session.webrtc', roundUp(lengthNs(data))]];
      const variants = VARIANTS.get(service as string);
      must(variants !== undefined);
      const variant = (data['variant'] ?? variants[0]) as string;
      must(variants.includes(variant));
      return [[`session.${String(service)}.${variant}`, roundUp(lengthNs(data))]];
    }
    case 'usage.transfer':
      must(service === 'webrtc' || VARIANTS.has(service as string));
      must(direction === 'downstream' || direction === 'upstream');
      return [[`transfer.${direction}`, ceiling(integer(data['bytes']), 10_000_000n) * 10_000_000n]];
    case 'usage.agent': {
      const recorded = data['recorded'] ?? false;
      const isolated = data['voiceIsolation'] ?? false;
      must(typeof recorded === 'boolean' && typeof isolated === 'boolean');
      const events = integer(data['observabilityEvents'] ?? 0);
      const seconds = roundUp(lengthNs(data));
      return [
        ['agent.session', seconds],
        ['agent.recording', recorded ? seconds : 0n],
        ['agent.voice_isolation', isolated ? seconds : 0n],
        ['agent.events', events],
      ];
    }
  }
  must(typeof model === 'string' && /^[^\0-\x1f\x7f]{1,128}$/u.test(model));
  if (kind === 'stt') return [[`inference.stt/${model}`, ceiling(lengthNs(data), SECOND_NS)]];
  if (kind === 'tts') return [[`inference.tts/${model}`, integer(data['characters'])]];
  must(kind === 'llm');
  const input = integer(data['inputTokens']);
  const cached = integer(data['cachedInputTokens'] ?? 0);
  must(cached <= input);
  return [
    [`inference.llm.input/${model}`, input - cached],
    [`inference.llm.cached_input/${model}`, cached],
    [`inference.llm.output/${model}`, integer(data['outputTokens'])],
  ];
}

/** Whether an event's data contain a duration. */
function isTimed(topic: string, { kind }: Fields): boolean {
  if (topic === 'usage.inference') return kind === 'stt';
  return topic !== 'usage.transfer';
}

function roundTime(rounding: Rounding, timeNs: bigint): RoundTime {
  if (rounding === 'per-minute' || timeNs < PER_SECOND_FROM_NS)
    return (lengthNs) => ceiling(lengthNs, 60n * SECOND_NS) * 60n;
  return (lengthNs) => {
    const seconds = ceiling(lengthNs, SECOND_NS);
    return seconds > 0n && seconds < 10n ? 10n : seconds;
  };
}

/**
 * Start and end, if both are given; otherwise the milliseconds. Every field that is given must be
 * valid.
 */
function lengthNs({ startedAt, endedAt, durationMs }: Fields): bigint {
  const start = startedAt === undefined || startedAt === null ? undefined : nanosecondsOf(startedAt);
  const end = endedAt === undefined || endedAt === null ? undefined : nanosecondsOf(endedAt);
  const given = durationMs === undefined || durationMs === null ? undefined : integer(durationMs);
  if (start === undefined || end === undefined) {
    must(given !== undefined);
    return given * 1_000_000n;
  }
  if (end < start) throw new BadRecord('negative_duration');
  return end - start;
}

function nanosecondsOf(value: unknown): bigint {
  must(typeof value === 'string');
  const parts = RFC3339.exec(value);
  must(parts !== null);
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number, number, number, number, number, number,
  ]; // prettier-ignore
  const [fraction = '', sign, offsetHour = '0', offsetMinute = '0'] = parts.slice(7);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  must(date.getUTCMonth() === month - 1 && date.getUTCDate() === day);
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 + (hour * 60 + minute - offset) * 60 + second;
  return BigInt(seconds) * SECOND_NS + BigInt(fraction.padEnd(9, '0'));
}

function integer(value: unknown): bigint {
  must(typeof value === 'number' ? Number.isInteger(value) : /^(0|[1-9]\d*)$/.test(asText(value)));
  const amount = BigInt(value as number | string);
  must(amount >= 0n && amount < 2n ** 53n);
  return amount;
}

function asText(value: unknown): string {
  must(typeof value === 'string');
  return value;
}

function ceiling(amount: bigint, step: bigint): bigint {
  return (amount + step - 1n) / step;
}

function mustBeObject(value: unknown): asserts value is Fields {
  must(typeof value === 'object' && value !== null && !Array.isArray(value));
}

function must(holds: boolean): asserts holds {
  if (!holds) throw new BadRecord('schema_violation');
}
