import type { Random } from '../../../src/oracle/random';

export type Topic = 'usage.session' | 'usage.transfer' | 'usage.agent' | 'usage.inference';

/** A record to publish: the key is the project. */
export interface UsageRecord {
  readonly topic: Topic;
  readonly project: string;
  readonly value: string;
  /** What it adds, if it is usage and the first under its id. */
  readonly event?: UsageEvent;
  /** The id of the event that it takes back. */
  readonly voids?: string;
}

interface UsageEvent {
  readonly id: string;
  readonly topic: Topic;
  readonly project: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly quantities: readonly (readonly [meter: string, quantity: bigint])[];
  /** How many closes were known to be frozen when it was made. */
  readonly epoch: number;
}

export interface Traffic {
  readonly projects: readonly string[];
  /** Usage ended in one of these. The last one may still run. */
  readonly months: readonly string[];
  /** Uses a model that has no price at first. */
  readonly experimenter: string;
}

export const UNPRICED_MODEL = 'acme/prototype';

const SOURCE = '/sfu/chaos';

/** Makes usage of every kind, with repeats, voids, late usage and bad records. */
export class UsageSource {
  private count = 0;
  /**
   * A repeat is only promised to be recognised over one freeze after its first, so the harness
   * counts them.
   */
  private frozen = 0;
  private asked = 0;
  private repeatable: UsageEvent[] = [];

  constructor(
    private readonly random: Random,
    private readonly traffic: Traffic,
  ) {}

  /**
   * A close of this many months begins. Everything published before must be applied before it ends.
   */
  closing(months: number): void {
    this.asked += months;
    this.repeatable = this.repeatable.filter(({ epoch }) => this.asked - epoch <= 1);
  }

  /** Later usage comes after this many freezes. Other freezes may still come after it. */
  hasFrozen(months: number): void {
    this.frozen = Math.max(this.frozen, months);
  }

  /** Projects move to other partitions, where their ids are not known. */
  moved(): void {
    this.repeatable = [];
  }

  take(count: number): UsageRecord[] {
    return Array.from({ length: count }, () => this.next());
  }

  private next(): UsageRecord {
    const { random } = this;
    if (this.repeatable.length > 0 && random.chance(0.06)) {
      const event = random.pick(this.repeatable);
      if (random.chance(0.25)) return this.voidOf(event);
      // If a producer corrects its event without a new id, the first one still counts.
      const data = random.chance(0.1) ? this.draft(event.topic, event.project).data : event.data;
      return usageRecord({ ...event, data });
    }
    const project = random.pick(this.traffic.projects);
    const topic = random.pick<Topic>([
      ...(['usage.session', 'usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'] as const),
    ]);
    if (random.chance(0.01)) return { topic, project, value: random.pick(['', 'no JSON', '{"id":"half"}']) };
    this.count += 1;
    const event: UsageEvent = {
      ...{ id: `chaos-${this.count}`, topic, project, epoch: this.frozen, time: this.time() },
      ...this.draft(topic, project),
    };
    if (this.asked - this.frozen > 1) return { ...usageRecord(event), event };
    if (this.repeatable.length < 400) this.repeatable.push(event);
    else this.repeatable[random.between(0, this.repeatable.length - 1)] = event;
    return { ...usageRecord(event), event };
  }

  private voidOf({ id, topic, project, time, data }: UsageEvent): UsageRecord {
    this.count += 1;
    const event = {
      ...{ specversion: '1.0', id: `void-${this.count}`, source: SOURCE, type: 'usage.void.v1' },
      ...{ subject: project, time: new Date().toISOString() },
      data: { source: SOURCE, id, type: `${topic}.v1`, time, data },
    };
    return { topic, project, value: JSON.stringify(event), voids: `${topic}/${id}` };
  }

  private time(): string {
    const month = this.random.pick(this.traffic.months);
    const begin = Date.parse(`${month}-01T00:00:00Z`);
    const end = Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1);
    return new Date(this.random.between(begin, Math.min(end, Date.now()) - 1)).toISOString();
  }

  private draft(topic: Topic, project: string): Pick<UsageEvent, 'data' | 'quantities'> {
    const { random } = this;
    const durationMs = random.between(0, 6 * 3_600_000);
    const minutes = BigInt(Math.ceil(durationMs / 60_000)) * 60n;
    switch (topic) {
      case 'usage.session': {
        const [service, variant, meter] = random.pick([
          ['webrtc', undefined, 'session.webrtc'],
          ['sip', 'third_party', 'session.sip.third_party'],
          ['sip', 'us_toll_free', 'session.sip.us_toll_free'],
          ['egress', 'video', 'session.egress.video'],
          ['egress', 'audio_only', 'session.egress.audio_only'],
        ] as const);
        return { data: { service, variant, durationMs }, quantities: [[meter, minutes]] };
      }
      case 'usage.transfer': {
        const bytes = random.between(0, 20_000_000_000);
        const parts = BigInt(Math.ceil(bytes / 10_000_000));
        return {
          data: { service: 'webrtc', direction: 'downstream', bytes },
          quantities: [['transfer.downstream', parts * 10_000_000n]],
        };
      }
      case 'usage.agent': {
        const recorded = random.chance(0.5);
        return {
          data: { durationMs, recorded },
          quantities: [
            ['agent.session', minutes],
            ...(recorded ? ([['agent.recording', minutes]] as const) : []),
          ],
        };
      }
      case 'usage.inference': {
        if (random.chance(0.3)) {
          const characters = random.between(0, 90_000);
          return {
            data: { kind: 'tts', model: 'cartesia/sonic', characters },
            quantities: [['inference.tts/cartesia/sonic', BigInt(characters)]],
          };
        }
        const isNew = project === this.traffic.experimenter && random.chance(0.2);
        const model = isNew ? UNPRICED_MODEL : 'openai/gpt-4.1-mini';
        const [inputTokens, cachedInputTokens] = [
          random.between(100_000, 900_000),
          random.between(0, 99_999),
        ];
        const outputTokens = random.between(0, 90_000);
        return {
          data: { kind: 'llm', model, inputTokens, cachedInputTokens, outputTokens },
          quantities: [
            [`inference.llm.input/${model}`, BigInt(inputTokens - cachedInputTokens)],
            [`inference.llm.cached_input/${model}`, BigInt(cachedInputTokens)],
            [`inference.llm.output/${model}`, BigInt(outputTokens)],
          ],
        };
      }
    }
  }
}

function usageRecord({ id, topic, project, time, data }: UsageEvent): UsageRecord {
  const event = {
    ...{ specversion: '1.0', id, source: SOURCE, type: `${topic}.v1`, subject: project, time, data },
  };
  return { topic, project, value: JSON.stringify(event) };
}

/** project -> name -> quantity */
export type Quantities = Map<string, Map<string, bigint>>;

/**
 * The oracle: what Kafka acknowledged, counted by itself. It knows no offsets, closes or lateness:
 * whatever came in whatever order, in the end each month's usage is that of its events.
 */
export class Acknowledged {
  records = 0;
  private readonly events = new Map<string, UsageEvent>();
  private readonly voided = new Set<string>();

  add(records: readonly UsageRecord[]): void {
    this.records += records.length;
    for (const { event, voids } of records) {
      if (event) this.events.set(`${event.topic}/${event.id}`, event);
      if (voids !== undefined) this.voided.add(voids);
    }
  }

  /** By `<month of the usage> <meter>`. */
  months(): Quantities {
    return this.sum(({ time }) => time.slice(0, 7));
  }

  /** By `<day of the usage> <meter>`. */
  days(): Quantities {
    return this.sum(({ time }) => time.slice(0, 10));
  }

  private sum(spanOf: (event: UsageEvent) => string): Quantities {
    const sums: Quantities = new Map();
    for (const [id, event] of this.events) {
      if (this.voided.has(id)) continue;
      for (const [meter, quantity] of event.quantities) {
        if (quantity === 0n) continue;
        const names = sums.get(event.project) ?? new Map<string, bigint>();
        const name = `${spanOf(event)} ${meter}`;
        sums.set(event.project, names.set(name, (names.get(name) ?? 0n) + quantity));
      }
    }
    return sums;
  }
}
