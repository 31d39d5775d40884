import type { WorkloadRecord } from './workload';

/**
 * A second, naive reading of the rules, to judge the first by. It shares no code with the consumers, the rating or the
 * totals: plain JSON, Date, regular expressions and BigInt, one event at a time, everything held in memory.
 */
export interface Oracle {
  add(record: WorkloadRecord): void;
  /** From here on usage of this month and of those before is late. */
  closeMonth(month: string): void;
  /** project -> month -> meter -> quantity in base units. */
  readonly totals: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, bigint>>>;
  readonly counts: {
    records: number;
    counted: number;
    duplicates: number;
    readonly deadLetters: Record<string, number>;
  };
}

interface Reading {
  readonly identity: string;
  readonly project: string;
  readonly month: string;
  readonly quantities: readonly (readonly [string, bigint])[];
}

type Fields = Record<string, unknown>;

class Bad extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}

const HOUR_NS = 3_600_000_000_000n;
const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

export function createOracle(): Oracle {
  const totals = new Map<string, Map<string, Map<string, bigint>>>();
  const seen = new Set<string>();
  const counts = { records: 0, counted: 0, duplicates: 0, deadLetters: {} as Record<string, number> };
  let closed: string | undefined;
  return {
    totals,
    counts,
    closeMonth(month) {
      closed = month;
    },
    add(record) {
      counts.records += 1;
      let reading: Reading;
      try {
        reading = read(record);
      } catch (error) {
        if (!(error instanceof Bad)) throw error;
        counts.deadLetters[error.reason] = (counts.deadLetters[error.reason] ?? 0) + 1;
        return;
      }
      if (seen.has(reading.identity)) {
        counts.duplicates += 1;
        return;
      }
      seen.add(reading.identity);
      counts.counted += 1;
      const late = closed !== undefined && reading.month <= closed;
      const month = late ? following(closed!) : reading.month;
      for (const [meter, quantity] of reading.quantities) {
        if (quantity === 0n) continue;
        const name = late ? `${reading.month}@${meter}` : meter;
        const months = totals.get(reading.project) ?? new Map<string, Map<string, bigint>>();
        totals.set(reading.project, months);
        const meters = months.get(month) ?? new Map<string, bigint>();
        months.set(month, meters);
        meters.set(name, (meters.get(name) ?? 0n) + quantity);
      }
    },
  };
}

function read(record: WorkloadRecord): Reading {
  if (record.value && record.value.length > 1024 * 1024) throw new Bad('too_large');
  if (!record.value || record.value.length === 0) throw new Bad('malformed_json');
  let document: Fields;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(record.value);
    document = JSON.parse(text) as Fields;
  } catch {
    throw new Bad('malformed_json');
  }
  const binary = record.headers?.['ce_specversion'] !== undefined;
  if (!binary && (document === null || typeof document !== 'object' || Array.isArray(document)))
    throw new Bad('schema_violation');
  const attribute = (name: string): unknown => (binary ? record.headers?.[`ce_${name}`] : document[name]);

  const id = attribute('id');
  const source = attribute('source');
  const subject = attribute('subject');
  const time = attribute('time');
  const type = attribute('type');
  must(attribute('specversion') === '1.0');
  must(typeof id === 'string' && [...id].length >= 1 && [...id].length <= 256);
  must(typeof source === 'string' && /^[^\0-\x20\x7f]{1,256}$/u.test(source));
  must(typeof type === 'string');
  must(typeof subject === 'string' && /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/.test(subject));
  const timeNs = nanosecondsOf(time);
  if (type !== `${record.topic}.v1`) throw new Bad('wrong_type');

  const data = (binary ? document : document['data']) as Fields;
  must(typeof data === 'object' && data !== null && !Array.isArray(data));
  const quantities = quantitiesOf(record.topic, data);

  const recordNs = BigInt(record.timestampMs) * 1_000_000n;
  if (timeNs > recordNs + HOUR_NS) throw new Bad('from_the_future');
  if (timeNs / 1_000_000n < BigInt(record.timestampMs) - 400n * 86_400_000n) throw new Bad('too_old');
  return {
    identity: JSON.stringify([record.topic, subject, source, id]),
    project: subject as string,
    month: new Date(Number(timeNs / 1_000_000n)).toISOString().slice(0, 7),
    quantities,
  };
}

function quantitiesOf(topic: string, data: Fields): (readonly [string, bigint])[] {
  if (topic === 'usage.session') {
    const variants: Record<string, string[]> = {
      webrtc: [],
      sip: ['third_party', 'us_local', 'us_toll_free'],
      ingress: ['transcoded', 'passthrough'],
      egress: ['video', 'audio_only', 'track'],
    };
    const service = data['service'];
    must(typeof service === 'string' && Object.keys(variants).includes(service));
    const known = variants[service as string]!;
    const variant = data['variant'] ?? known[0];
    must(known.length === 0 || known.includes(variant as string));
    const minutes = ceilTo(lengthNs(data), 60_000_000_000n);
    return [
      [
        known.length === 0 ? 'session.webrtc' : `session.${String(service)}.${String(variant)}`,
        minutes * 60n,
      ],
    ];
  }
  if (topic === 'usage.transfer') {
    must(['webrtc', 'sip', 'ingress', 'egress'].includes(data['service'] as string));
    must(['downstream', 'upstream'].includes(data['direction'] as string));
    return [
      [`transfer.${String(data['direction'])}`, ceilTo(whole(data['bytes']), 10_000_000n) * 10_000_000n],
    ];
  }
  if (topic === 'usage.agent') {
    const recorded = data['recorded'] ?? false;
    must(typeof recorded === 'boolean');
    const events = whole(data['observabilityEvents'] ?? 0);
    const seconds = ceilTo(lengthNs(data), 60_000_000_000n) * 60n;
    return [
      ['agent.session', seconds],
      ['agent.recording', recorded ? seconds : 0n],
      ['agent.events', events],
    ];
  }
  const { kind, model } = data;
  must(kind === 'stt' || kind === 'llm' || kind === 'tts');
  must(typeof model === 'string' && /^[^\0-\x1f\x7f]{1,128}$/u.test(model));
  const name = model as string;
  if (kind === 'stt') return [[`inference.stt/${name}`, ceilTo(lengthNs(data), 1_000_000_000n)]];
  if (kind === 'tts') return [[`inference.tts/${name}`, whole(data['characters'])]];
  const input = whole(data['inputTokens']);
  const cached = whole(data['cachedInputTokens'] ?? 0);
  const output = whole(data['outputTokens']);
  must(cached <= input);
  return [
    [`inference.llm.input/${name}`, input - cached],
    [`inference.llm.cached_input/${name}`, cached],
    [`inference.llm.output/${name}`, output],
  ];
}

function lengthNs(data: Fields): bigint {
  const start = data['startedAt'] ?? undefined;
  const end = data['endedAt'] ?? undefined;
  const startNs = start === undefined ? undefined : nanosecondsOf(start);
  const endNs = end === undefined ? undefined : nanosecondsOf(end);
  const given = data['durationMs'] ?? undefined;
  const givenNs = given === undefined ? undefined : whole(given) * 1_000_000n;
  if (startNs !== undefined && endNs !== undefined) {
    if (endNs < startNs) throw new Bad('negative_duration');
    return endNs - startNs;
  }
  must(givenNs !== undefined);
  return givenNs!;
}

function nanosecondsOf(value: unknown): bigint {
  const parts = typeof value === 'string' ? RFC3339.exec(value) : null;
  must(parts !== null);
  const [
    ,
    year,
    month,
    day,
    hour,
    minute,
    second,
    fraction = '',
    sign,
    offsetHour = '0',
    offsetMinute = '0',
  ] = parts!;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  must(date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day));
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1);
  const seconds = BigInt(
    date.getTime() / 1000 + (Number(hour) * 60 + Number(minute) - offset) * 60 + Number(second),
  );
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
}

function whole(value: unknown): bigint {
  if (typeof value === 'number') {
    must(Number.isInteger(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER);
    return BigInt(value);
  }
  must(typeof value === 'string' && /^(0|[1-9]\d*)$/.test(value) && BigInt(value) < 2n ** 53n);
  return BigInt(value as string);
}

function ceilTo(amount: bigint, step: bigint): bigint {
  return (amount + step - 1n) / step;
}

function following(month: string): string {
  return new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1)).toISOString().slice(0, 7);
}

function must(holds: boolean): void {
  if (!holds) throw new Bad('schema_violation');
}
