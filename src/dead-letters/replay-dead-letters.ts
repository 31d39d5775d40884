import type { RejectionReason } from '../../consumers/decode/rejection';
import type { Progress } from '../lib/progress';
import { placeOf, readDeadLetters, type DeadLetterEntry } from './read-dead-letters';
import type { DeadLetter } from './dead-letter';
import type { KafkaClient } from '../kafka/client';
import type { PublishRecord, Publisher } from '../kafka/producer';
import type { RecordRater } from './record-rater';
import { DEAD_LETTER_TOPIC, topicName } from '../kafka/topics/topics';

/** What a replayed event carries beside its own headers: where it lay when it was refused. */
const REPLAYED_FROM = 'tallyman-replayed-from';

export interface ReplayOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  /** None for a rehearsal. */
  readonly publisher: Publisher | undefined;
  readonly entries: readonly DeadLetterEntry[];
  readonly nowMs: number;
  /** None where nobody watches. */
  readonly progress?: Progress;
  readonly rate: RecordRater;
}

export interface ReplayReport {
  /** Published again; in a rehearsal: would be. */
  replayed: number;
  /** Left where they are: they would only become dead letters again. */
  readonly refused: { readonly place: string; readonly reason: RejectionReason; readonly detail: string }[];
  /** Left where they are: the letter does not hold the whole event. */
  readonly incomplete: { readonly place: string; readonly detail: string }[];
}

const PUBLISHED_AT_ONCE = 200;

/**
 * Publishes dead letters' events again: the same bytes, key and headers, to the same topic and
 * partition, where only the ids of their firsts and repeats are. Then the dead letter is published
 * again as replayed, so that it is not taken a second time. Killed between the two, it is: its id
 * tells it for a repeat.
 */
export async function replayDeadLetters(options: ReplayOptions): Promise<ReplayReport> {
  const { client, prefix, entries, progress } = options;
  const report: ReplayReport = { replayed: 0, refused: [], incomplete: [] };
  let waiting: DeadLetter[] = [];
  let seen = 0;
  for await (const letter of readDeadLetters(client, prefix, entries)) {
    seen += 1;
    if (isReplayable(options, letter, report)) waiting.push(letter);
    if (waiting.length >= PUBLISHED_AT_ONCE) {
      await publishAgain(options, waiting);
      waiting = [];
    }
    progress?.update(seen, entries.length);
  }
  await publishAgain(options, waiting);
  progress?.end();
  return report;
}

function isReplayable({ rate, nowMs }: ReplayOptions, letter: DeadLetter, report: ReplayReport): boolean {
  const place = placeOf(letter);
  const missing = missingParts(letter);
  if (missing !== undefined) {
    report.incomplete.push({ place, detail: missing });
    return false;
  }
  const { value, headers } = recordOf(letter);
  const rated = rate(letter.topic, {
    offset: 0,
    timestampMs: nowMs,
    value: value as Buffer | null,
    headers: headers,
  });
  if (rated === undefined) {
    report.refused.push({ place, reason: letter.reason, detail: `${letter.topic} is not a usage topic` });
    return false;
  }
  if (!rated.ok) {
    report.refused.push({ place, reason: rated.reason, detail: rated.detail });
    return false;
  }
  report.replayed += 1;
  return true;
}

/**
 * A letter of an older version does not name its missing parts. One without its headers is then
 * judged like any other: an event in binary mode is refused without them, and one in structured
 * mode needs neither headers nor key.
 */
export function missingParts({
  reason,
  missing = [],
}: Pick<DeadLetter, 'reason' | 'missing'>): string | undefined {
  if (reason === 'too_large' || missing.includes('value'))
    return 'the letter holds only the first 64 KiB of the value';
  if (missing.length > 0) return `the letter does not hold the event's ${missing.join(' and ')}`;
  return undefined;
}

async function publishAgain(
  { publisher, prefix, nowMs }: ReplayOptions,
  letters: readonly DeadLetter[],
): Promise<void> {
  if (publisher === undefined) return;
  const byTopic = new Map<string, PublishRecord[]>();
  for (const letter of letters) {
    const records = byTopic.get(letter.topic) ?? [];
    byTopic.set(letter.topic, records);
    records.push(recordOf(letter));
  }
  for (const [topic, records] of byTopic) await publisher.publish(topic, records);
  const replayedAt = new Date(nowMs).toISOString();
  await publisher.publish(
    topicName(prefix, DEAD_LETTER_TOPIC),
    letters.map((letter) => ({ key: placeOf(letter), value: JSON.stringify({ ...letter, replayedAt }) })),
  );
}

/**
 * Its timestamp is that of the replay: under its old one, retention might remove it before it is
 * read.
 */
function recordOf(letter: DeadLetter): PublishRecord {
  const headers = Object.entries(letter.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map(bytesOf) : bytesOf(value as Text),
  ]);
  return {
    key: bytesOf(letter.key),
    value: letter.value === null ? null : Buffer.from(letter.value, 'base64'),
    headers: Object.fromEntries([...headers, [REPLAYED_FROM, Buffer.from(placeOf(letter))]]) as NonNullable<
      PublishRecord['headers']
    >,
    partition: letter.partition,
  };
}

type Text = DeadLetter['key'];

function bytesOf(text: Text): Buffer | null {
  if (text === null) return null;
  return typeof text === 'string' ? Buffer.from(text) : Buffer.from(text.base64, 'base64');
}
