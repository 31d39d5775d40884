import type { EpochEnd } from '../../kafka/topics/leader-epochs';
import type { LogRange } from '../../kafka/topics/topics';
import { TallymanError } from '../../lib/errors';
import type { ViewPosition } from '../../redis/views/ledger-view';

/** Why a ledger is not the one that was read before. */
export interface LedgerRefusal {
  readonly code: 'TOPIC_REPLACED' | 'CURSOR_PAST_LOG_END' | 'EVENTS_GONE' | 'LOG_DIVERGED';
  readonly topic: string;
  readonly problem: string;
}

/** A ledger as Kafka holds it now. */
export interface LedgerLog extends LogRange {
  readonly topicId: string | undefined;
  /** How far it holds the epoch of the position; undefined if that epoch is not known. */
  readonly held: EpochEnd | undefined;
}

/** What to do about a ledger with a view. */
export const LEDGER_REMEDY =
  'Restore the topic from a copy. If what it holds now is right, stop the consumers, then run `tallyman rebuild --empty`.';

/** Whether a ledger still holds what was read of it up to a position. Returns why not. */
export function refusalOf(
  topic: string,
  { next, topicId: shownId, epoch }: ViewPosition,
  { topicId, start, end, held }: LedgerLog,
): LedgerRefusal | undefined {
  if (shownId !== undefined && topicId !== shownId) {
    const problem = `Redis shows another ${topic} than the one in Kafka: its id was ${shownId} and is ${topicId}.`;
    return { code: 'TOPIC_REPLACED', topic, problem };
  }
  const shown = `Redis shows ${topic} up to offset ${next}`;
  if (next > end) {
    const problem = `${shown}, but it ends at ${end}: it was recreated, or has lost its end.`;
    return { code: 'CURSOR_PAST_LOG_END', topic, problem };
  }
  if (next > 0 && next < start) {
    const problem = `${shown}, but it begins at ${start}: records between were deleted.`;
    return { code: 'EVENTS_GONE', topic, problem };
  }
  // Kafka answers with the latest epoch up to the one in question. See leader-epochs.ts.
  if (held !== undefined && (held.epoch !== epoch || held.end < next)) {
    const problem =
      `${shown} of leader epoch ${epoch}, but the log ` +
      (held.epoch === epoch ? `holds that epoch up to offset ${held.end} only` : 'does not hold that epoch') +
      ': an unclean election has lost records, and others have their offsets.';
    return { code: 'LOG_DIVERGED', topic, problem };
  }
  return undefined;
}

export const refused = ({ code, topic, problem }: LedgerRefusal, remedy = LEDGER_REMEDY): TallymanError =>
  new TallymanError(code, `${problem} ${remedy}`, { topic });
