import type { Cluster, Redis } from 'ioredis';
import { TallymanError } from '../../lib/errors';
import type { ScriptAnswer } from '../scripts';
import { FINGERPRINT_BYTES } from './fingerprint';
import { IdSet } from './fingerprint-set';
import type { Keys } from '../keys';
import type { Store } from '../store';

/** A period's ids of one topic in one shard, as Redis has them. */
interface PeriodIds {
  /** A month, or `first` before any was closed. */
  readonly period: string;
  readonly ids: IdSet;
}

/** The ids that the next events of a topic in a shard are compared with. */
export interface KnownIds {
  readonly own: PeriodIds;
  /** Of the period before; undefined in the first one. */
  readonly previous: PeriodIds | undefined;
}

/** The name of the period before the first close. */
export const FIRST_PERIOD = 'first';
/** As in ids.lua. */
const IDS_PER_SEGMENT = 8_190;
/** How much one command reads: 2 MiB. */
const SEGMENTS_AT_ONCE = 32;

/**
 * The ids that this process has read, by topic and shard. They are in Redis, where they are added in one step with totals
 * and cursor; here they are looked up. A script that is sent events is told which ids they were compared with, and
 * answers `IDS` unless it has exactly these; then they are read anew. So whatever happens to Redis or to this process, no
 * event is ever compared with other ids than those that belong to the cursor.
 */
export class IdMemory {
  private readonly known = new Map<string, KnownIds>();

  constructor(
    private readonly redis: Redis | Cluster,
    private readonly keys: Keys,
  ) {}

  /** Undefined until they are read. */
  of(shard: number, topic: string): KnownIds | undefined {
    return this.known.get(nameOf(shard, topic));
  }

  /** Reads the ids that a script's answer `IDS` named: periods and numbers. What is known of them is not read again. */
  async read(shard: number, topic: string, answer: readonly (string | number)[]): Promise<void> {
    const [period, before, ownCount, previousCount] = answer;
    const known = this.of(shard, topic);
    const idsOf = async (name: string, count: number): Promise<PeriodIds> => {
      const same = [known?.own, known?.previous].find(
        (one) => one?.period === name && one.ids.size === count,
      );
      return same ?? { period: name, ids: await this.readPeriod(shard, topic, name, count) };
    };
    this.known.set(nameOf(shard, topic), {
      own: await idsOf(String(period), Number(ownCount)),
      previous: before === '' ? undefined : await idsOf(String(before), Number(previousCount)),
    });
  }

  /** Forgets the ids of a topic in all shards but these: another process adds to them now. */
  keepOnly(topic: string, shards: readonly number[]): void {
    const kept = new Set(shards.map((shard) => nameOf(shard, topic)));
    for (const name of this.known.keys()) {
      if (name.endsWith(nameOf('', topic)) && !kept.has(name)) this.known.delete(name);
    }
  }

  /** The first `count` ids. If there are fewer by now, the next answer of a script says so. */
  private async readPeriod(shard: number, topic: string, period: string, count: number): Promise<IdSet> {
    const ids = new IdSet(count);
    const end = segmentCount(count);
    for (let first = 0; first < end; first += SEGMENTS_AT_ONCE) {
      const segments = await this.redis.mgetBuffer(
        ...Array.from({ length: Math.min(SEGMENTS_AT_ONCE, end - first) }, (_, i) =>
          this.keys.idSegment(shard, period, topic, first + i),
        ),
      );
      for (const [i, segment] of segments.entries()) {
        const left = Math.min(IDS_PER_SEGMENT, count - (first + i) * IDS_PER_SEGMENT);
        if (segment) ids.addAll(halvesOf(segment, left));
      }
    }
    return ids;
  }
}

/** Between two looks another process may have added ids; but not for ever, or it could not have lost its partition. */
const MAX_READS = 10;

/**
 * Sends what was compared with the known ids until these are the right ones.
 *
 * @param send is given what is known, undefined if nothing is, and answers what the script answered
 * @returns the first answer that is not `IDS`
 * @throws TallymanError `IDS_UNSETTLED` when the ids change again and again
 */
export async function withKnownIds(
  store: Store,
  shard: number,
  topic: string,
  send: (known: KnownIds | undefined) => Promise<ScriptAnswer>,
): Promise<ScriptAnswer> {
  for (let reads = 0; reads <= MAX_READS; reads += 1) {
    const answer = await send(store.ids.of(shard, topic));
    if (answer[0] !== 'IDS') return answer;
    await store.ids.read(shard, topic, answer.slice(1));
  }
  throw new TallymanError(
    'IDS_UNSETTLED',
    `The ids of ${topic} in shard ${shard} were others at each of ${MAX_READS} looks. Is Redis being restored, or are its keys edited?`,
    { topic, shard },
  );
}

/** What tells a script which ids an event was compared with: its period, the one before, and the number of ids in each. */
export function idState(known: KnownIds | undefined): [string, string, string, string] {
  if (!known) return ['', '', '', ''];
  const { own, previous } = known;
  return [own.period, previous?.period ?? '', String(own.ids.size), String(previous?.ids.size ?? 0)];
}

/** How many segments so many ids take. */
export const segmentCount = (ids: number): number => Math.ceil(ids / IDS_PER_SEGMENT);

/** The first so many fingerprints of a segment. */
function halvesOf(segment: Buffer, count: number): Uint32Array {
  const whole = Math.min(count, Math.floor(segment.length / FINGERPRINT_BYTES));
  // A copy: numbers of 32 bits cannot be seen just anywhere in a Buffer.
  const bytes = new Uint8Array(whole * FINGERPRINT_BYTES);
  bytes.set(segment.subarray(0, bytes.length));
  return new Uint32Array(bytes.buffer);
}

const nameOf = (shard: number | '', topic: string): string => `${shard}/${topic}`;
