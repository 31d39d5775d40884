import type { KafkaClient } from '../../kafka/client';
import { logRanges } from '../../kafka/topics/topics';
import type { ViewPosition } from '../../redis/views/ledger-view';
import { LEDGER_REMEDY, refusalOf, refused, type LedgerLog } from './ledger-refusal';

/** @param epoch of the position that the ledger is compared with */
export async function readLedgerLog(
  kafka: KafkaClient,
  topic: string,
  epoch: number | undefined,
): Promise<LedgerLog> {
  const topicId = await kafka.topicId(topic);
  // Up to the high watermark: see readLedgerPages.
  const range = (await logRanges(kafka, [topic])).get(topic)![0]!;
  const held = epoch === undefined ? undefined : (await kafka.epochEnds(topic, [{ partition: 0, epoch }]))[0];
  return { ...range, topicId, held };
}

/**
 * Compares the log again when the epoch of what is fetched changes. The first comparison may have
 * been answered by a broker that had not heard of the election.
 *
 * @param fetched the epoch of the records from the position on
 * @returns false if the log was replaced after they were fetched
 * @throws TallymanError `LOG_DIVERGED`
 */
export async function wasHeldBefore(
  kafka: KafkaClient,
  topic: string,
  position: ViewPosition,
  fetched: number | undefined,
  remedy = LEDGER_REMEDY,
): Promise<boolean> {
  const { next, topicId, epoch } = position;
  if (epoch === undefined || fetched === undefined) return true;
  const [held, own] = await kafka.epochEnds(topic, [
    { partition: 0, epoch },
    { partition: 0, epoch: fetched },
  ]);
  if (own!.epoch !== fetched) return false;
  const refusal = refusalOf(topic, position, { topicId, start: 0, end: next, held });
  if (refusal !== undefined) throw refused(refusal, remedy);
  return true;
}
