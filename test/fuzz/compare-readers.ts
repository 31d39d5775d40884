import { consumerNamed } from '../../consumers';
import { decodeEvent, type Decoded, type TimeLimits } from '../../consumers/decode/decode-event';
import { readPlainJson } from '../../consumers/decode/plain-json';
import { VOID_TYPE } from '../../consumers/void';
import { decodeRecordBatch } from '../../src/kafka/wire/record-batch';
import { createRandom, type Random } from '../../src/oracle/random';
import { draftEvent, type EventDraft, type Topic } from '../../src/oracle/usage-draft';
import { binary, structured } from '../../src/oracle/write-record';
import { batchBytes } from '../kit/kafka/batch-bytes';
import { LIMITS, RECORD_MS } from '../kit/usage/usage-events';

/** How often each case came. */
export interface Cases {
  plain: number;
  plainAndMutated: number;
  other: number;
  counted: number;
  rejected: number;
  readonly reasons: Set<string>;
}

/** Each batch has its own seed, so that a difference can be repeated alone. */
const BATCH_RECORDS = 100;
const TOPICS: readonly Topic[] = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'];
const WIDE_LIMITS = { futureMs: 1e15, pastMs: 1e15, durationMs: 1e15 };

/** What a mutation inserts, or writes over what is there. */
const PIECES = [
  ...['"', '\\', '{', '}', '[', ']', ',', ':', ' ', '  ', '\n', '\t', '0', '9', '-', '-0', '.5', 'e3', '00'],
  ...['null', 'true', 'false', 'nul', 'tru', '1e400', '9007199254740993', '999999999999999', '\\u0041'],
  ...['\u0000', '\u007f', 'é', '\u2028', '😀', '\ufeff', '"id":"x",', '"id":1,', '"__proto__":1,'],
  ...['"extra":1,', '"data":{},', '"data":null,', '"service":"sip",', '"time":{"seconds":1,"nanos":0},'],
  ...['"datacontenttype":"application/json",', 'usage.void.v1', '"constructor":{},', '"bytes":"007",'],
  ...['"durationMs":-1,', '"model":"",', 'ab-12.5Z', '/a b', '"startedAt":{"seconds":1,"nanos":0},'],
].map((piece) => Buffer.from(piece));

const HEADERS = [
  ...['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_subject', 'ce_time', 'content-type'],
  ...['Content-Type', 'CONTENT-TYPE', 'traceparent', 'constructor', 'ce_extra', 'x-request-id', ''],
  // Names of which only the beginning is plain.
  ...['ce_subject"', 'ce_subject\u00e9', 'ce_id\n', 'ce_time\\', 'content-type"'],
];
const HEADER_VALUES = [
  ...[
    '1.0',
    'application/json',
    'application/cloudevents+json',
    'Application/CloudEvents+JSON; charset=utf-8',
  ],
  ...[
    'application/cloudevents-batch+json',
    'application/json;charset=utf-8',
    '',
    'x'.repeat(300),
    'é',
    ' p_1',
  ],
  ...[VOID_TYPE, 'usage.session.v1', '2026-10-14T09:31:10.2Z', '2026-10-14T09:31:10.2Zx', 'a"b', 'a\\b'],
];

interface Draft {
  readonly topic: Topic;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
  readonly isMutated: boolean;
}

/**
 * Decodes records from the bytes of their batch and, without these, by Node's parser of JSON. Both
 * ways must give the same event, or the same rejection with the same words.
 *
 * @throws Error that names the seed, the batch and the record of the first difference
 */
export async function compareReaders(
  seed: number,
  count: number,
  onBatch?: (compared: number) => void,
): Promise<Cases> {
  const cases: Cases = {
    ...{ plain: 0, plainAndMutated: 0, other: 0, counted: 0, rejected: 0 },
    reasons: new Set<string>(),
  };
  for (let first = 0; first < count; first += BATCH_RECORDS) {
    await compareBatch(seed + first, Math.min(BATCH_RECORDS, count - first), cases);
    onBatch?.(first + BATCH_RECORDS);
  }
  return cases;
}

async function compareBatch(seed: number, count: number, cases: Cases): Promise<void> {
  const random = createRandom(seed);
  const drafts = Array.from({ length: count }, (_, number) => drafted(random, number));
  const batch = batchBytes({
    offsets: drafts.map((_, offset) => offset),
    recordFor: (offset) => drafts[offset]!,
    firstTimestamp: RECORD_MS,
  });
  const { records } = await decodeRecordBatch(batch);
  for (const [i, record] of records.entries()) {
    const { topic, isMutated, value, headers } = drafts[i]!;
    const consumer = consumerNamed(topic.slice('usage.'.length));
    const limits: TimeLimits = random.chance(0.5) ? LIMITS : WIDE_LIMITS;
    const { offset, timestampMs } = record;
    const usual = decodeEvent(
      consumer,
      { offset, timestampMs, value: record.value, headers: record.headers },
      limits,
    );
    const fromBatch = decodeEvent(consumer, record, limits);
    if (written(fromBatch) !== written(usual)) {
      const texts = headers.map(([name, text]) => `${name}: ${text?.toString('latin1')}`).join(', ');
      throw new Error(
        `seed ${seed}, record ${i} of ${topic}: ${value?.toString('latin1')}\nheaders: ${texts}\n` +
          `from the batch: ${written(fromBatch)}\nby JSON.parse:  ${written(usual)}`,
      );
    }
    const { bytes, valueStart, valueBytes } = record;
    const isPlain = readPlainJson(bytes, valueStart, valueStart + valueBytes, false) !== undefined;
    cases[isPlain ? (isMutated ? 'plainAndMutated' : 'plain') : 'other'] += 1;
    cases[usual.ok ? 'counted' : 'rejected'] += 1;
    if (!usual.ok) cases.reasons.add(usual.reason);
  }
}

/** An instant has no other fields that count. */
function written(decoded: Decoded): string {
  if (!decoded.ok) return JSON.stringify(decoded);
  const { seconds, nanos } = decoded.time;
  return JSON.stringify({ ...decoded, time: { seconds, nanos } });
}

function drafted(random: Random, number: number): Draft {
  const topic = random.pick(TOPICS);
  const event = draftEvent(random, topic, String(number % 50), `p_${number % 50}`, RECORD_MS);
  const isBinary = random.chance(0.2);
  const document = isBinary ? event.data : random.chance(0.05) ? voidOf(event) : structured(event);
  let text = JSON.stringify(document);
  if (random.chance(0.2)) text = withBlanks(text);
  if (random.chance(0.05))
    text = text.replace('"startedAt"', '"s"').replace('"endedAt"', '"startedAt"').replace('"s"', '"endedAt"');
  const hasOtherTimes = random.chance(0.2);
  if (hasOtherTimes) text = text.replace(/\d{4}-\d\d-\d\dT[^"]*/g, () => timestamp(random));
  const mutations = random.chance(0.3) ? 0 : random.between(1, 2);
  let value = Buffer.from(text);
  for (let i = 0; i < mutations; i += 1) value = mutated(random, value);
  const given = isBinary ? Object.entries(binary(event).headers) : [];
  let headers = given.map(([name, one]) => [name, Buffer.from(one)] as [string, Buffer | null]);
  const spoilsHeaders = random.chance(isBinary ? 0.5 : 0.1);
  if (spoilsHeaders) headers = spoiled(random, headers);
  const isMutated = hasOtherTimes || spoilsHeaders || mutations > 0;
  return { topic, value: random.chance(0.001) ? null : value, headers, isMutated };
}

const voidOf = (event: EventDraft): object => {
  const { specversion, subject, time, ...voided } = structured(event);
  return { specversion, id: 'v', source: '/ops', type: VOID_TYPE, subject, time, data: { ...voided, time } };
};

/** As Python's `json.dumps` writes it. */
const withBlanks = (text: string): string => text.replaceAll('":', '": ').replaceAll(',"', ', "');

function mutated(random: Random, text: Buffer): Buffer<ArrayBuffer> {
  const at = random.between(0, text.length);
  if (random.chance(0.5)) return withOtherDigit(random, text, at);
  const piece = random.chance(0.05) ? Buffer.of(random.between(0, 255)) : random.pick(PIECES);
  switch (random.between(0, 9)) {
    case 0:
      return Buffer.from(text.subarray(0, at));
    case 1:
    case 2:
    case 3:
      return Buffer.concat([text.subarray(0, at), piece, text.subarray(at + piece.length)]);
    case 4:
    case 5:
      return Buffer.concat([text.subarray(0, at), text.subarray(at + random.between(1, 12))]);
    default:
      return Buffer.concat([text.subarray(0, at), piece, text.subarray(at)]);
  }
}

/** Stays in the usual form, and reaches later rules. */
function withOtherDigit(random: Random, text: Buffer, from: number): Buffer<ArrayBuffer> {
  const changed = Buffer.from(text);
  const at = changed.findIndex((byte, i) => i >= from && byte >= 0x30 && byte <= 0x39);
  if (at >= 0) changed.write(random.pick(['0', '1', '9', '12', '99999999']), at);
  return changed;
}

/** On the edges of what is an instant. */
function timestamp(random: Random): string {
  const year = random.pick(['2026', '2026', '2024', '2000', '1900', '1970', '1969', '0000', '9999', '26']);
  const month = random.pick(['01', '02', '02', '10', '12', '00', '13', '1']);
  const day = random.pick(['01', '28', '29', '30', '31', '00', '32', '1a']);
  const clock = random.pick(['00:00:00', '23:59:59', '09:31:10', '24:00:00', '23:60:00', '23:59:60', '9:00']);
  const fraction = random.pick([
    '',
    '',
    '.2',
    '.000',
    '.123456',
    '.999999999',
    '.000000001',
    '.',
    '.1234567890',
  ]);
  const zone = random.pick(['Z', 'Z', 'Z', 'z', '+00:00', '-23:59', '+05:30', '+24:00', '', 'Z ']);
  const separator = random.chance(0.95) ? 'T' : random.pick(['t', ' ', '_']);
  return `${year}-${month}-${day}${separator}${clock}${fraction}${zone}`;
}

function spoiled(
  random: Random,
  headers: readonly [string, Buffer | null][],
): [name: string, value: Buffer | null][] {
  const name = random.pick(HEADERS);
  const value = random.chance(0.05) ? null : Buffer.from(random.pick(HEADER_VALUES));
  const at = random.between(0, headers.length);
  const rest = headers.slice(at + 1);
  switch (random.between(0, 3)) {
    case 0:
      return [...headers.slice(0, at), [name, value], ...headers.slice(at)];
    case 1:
      return [...headers.slice(0, at), ...rest];
    default: {
      const [own, text] = headers[at] ?? [name, value];
      return [
        ...headers.slice(0, at),
        [own, random.chance(0.5) ? value : mutated(random, text ?? Buffer.of())],
        ...rest,
      ];
    }
  }
}
