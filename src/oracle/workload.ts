import { badRecord } from './bad-record';
import { createRandom, zipf, type Random } from './random';
import { draftEvent, draftUsage, type EventDraft, type Topic } from './usage-draft';
import { writeRecord, type WorkloadRecord } from './write-record';

export type { WorkloadRecord } from './write-record';

export interface WorkloadOptions {
  readonly seed: number;
  /** `YYYY-MM`, in UTC. */
  readonly month: string;
  /** The number of all records. */
  readonly events: number;
  /** The first one is the largest, by Zipf's law. */
  readonly projects: readonly string[];
  /** The weight of each kind, in whole numbers. */
  readonly mix?: Readonly<Partial<Record<Topic, number>>>;
  /** Shares of all records. */
  readonly duplicates?: number;
  readonly malformed?: number;
  readonly monthBefore?: number;
  /** The share of voids, 0 by default. A few name an event that arrives later or never existed. */
  readonly voids?: number;
}

const MIX = { 'usage.session': 50, 'usage.transfer': 20, 'usage.agent': 10, 'usage.inference': 20 };
/**
 * How many events can be repeated. Each new one replaces another, so a few are repeated much later.
 */
const REPEATABLE = 5_000;
/** How far the end of a usage may be before or after its place in the stream. */
const DISORDER_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

/**
 * A month of usage, the same for the same options: all four kinds, in structured and binary mode,
 * with duplicates (some with another time or other data), equal ids of different events, events of
 * the month before, disorder, and bad events of every kind. It keeps some thousand events in
 * memory, however many it makes.
 */
export function* createWorkload(options: WorkloadOptions): Generator<WorkloadRecord, void, undefined> {
  const { seed, month, events, projects, mix = MIX } = options;
  const { duplicates = 0.02, malformed = 0.001, monthBefore = 0.01, voids = 0 } = options;
  const random = createRandom(seed);
  const pickProject = zipf(random, projects);
  const topics = Object.entries(mix).flatMap(([topic, share]) => Array<Topic>(share).fill(topic as Topic));
  const startMs = Date.parse(`${month}-01T00:00:00Z`);
  const endMs = Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1);
  const repeatable: EventDraft[] = [];
  let badCount = 0;

  for (let number = 0; number < events; number += 1) {
    // The stream advances evenly through the month.
    const streamMs = startMs + Math.floor(((endMs - startMs) * number) / events);
    const timestampMs = streamMs + DISORDER_MS;
    if (repeatable.length > 0 && random.chance(duplicates)) {
      yield writeRecord(random, repeatOf(random, random.pick(repeatable), timestampMs), timestampMs);
      continue;
    }

    if (repeatable.length > 0 && voids > 0 && random.chance(voids)) {
      const [voided, voidId] = [random.pick(repeatable), `void-${idOf(random, seed, number)}`];
      yield writeRecord(random, voidOf(random, voided, voidId, timestampMs), timestampMs);
      continue;
    }

    const timeMs = random.chance(monthBefore)
      ? startMs - (random.chance(0.05) ? 1 : random.between(1, 3 * DAY_MS))
      : Math.min(endMs - 1, Math.max(startMs, streamMs + random.between(-DISORDER_MS, DISORDER_MS)));
    const draft = draftEvent(random, random.pick(topics), idOf(random, seed, number), pickProject(), timeMs);
    if (repeatable.length < REPEATABLE) repeatable.push(draft);
    else repeatable[random.between(0, REPEATABLE - 1)] = draft;
    // A bad event does not use up its id, so the corrected event that repeats it later is the
    // first.
    if (random.chance(malformed)) yield badRecord(badCount++, draft, timestampMs);
    else yield writeRecord(random, draft, timestampMs);
  }
}

/**
 * Sometimes two different events have the same id, because their topics, projects or sources
 * differ.
 */
const idOf = (random: Random, seed: number, number: number): string =>
  `${seed}-${random.chance(0.005) ? number - 1 : number}`;

function voidOf(
  random: Random,
  { topic, source, id, project, time, data }: EventDraft,
  voidId: string,
  nowMs: number,
): EventDraft {
  return {
    ...{ topic, project, id: voidId, source: '/billing-desk', time: new Date(nowMs).toISOString() },
    type: 'usage.void.v1',
    data: { source, id: random.chance(0.02) ? `${id}-unknown` : id, type: `${topic}.v1`, time, data },
  };
}

/**
 * A producer's retry: usually the same event, sometimes with another time, rarely with other data.
 */
function repeatOf(random: Random, first: EventDraft, timestampMs: number): EventDraft {
  if (random.chance(0.1)) return { ...first, time: new Date(timestampMs).toISOString() };
  if (random.chance(0.05)) return { ...first, data: draftUsage(random, first.topic, timestampMs) };
  return first;
}

/**
 * Takes the next records out of a workload, at most `count`, sorted by topic and in order within
 * each.
 */
export function takeByTopic(
  workload: Iterator<WorkloadRecord>,
  count: number,
  onRecord: (record: WorkloadRecord) => void = () => undefined,
): Map<string, WorkloadRecord[]> {
  const byTopic = new Map<string, WorkloadRecord[]>();
  for (let taken = 0; taken < count; taken += 1) {
    const next = workload.next();
    if (next.done) break;
    onRecord(next.value);
    const records = byTopic.get(next.value.topic);
    if (records) records.push(next.value);
    else byTopic.set(next.value.topic, [next.value]);
  }
  return byTopic;
}
