import { KafkaJSError, type KafkaClient } from '../../kafka/client';
import { checkEpoch, type ChainStop } from '../resume-offset';
import { chainStopped } from '../stop-errors';

/** What was counted of a partition: the record before `cursor` was written in this leader epoch. */
export interface Counted {
  readonly partition: number;
  readonly cursor: number;
  readonly epoch: number;
}

/** The partitions of a topic whose logs no longer hold what was counted. */
export async function findDiverged(
  kafka: KafkaClient,
  topic: string,
  counted: readonly Counted[],
): Promise<(ChainStop & { readonly partition: number })[]> {
  if (counted.length === 0) return [];
  const ends = await kafka.epochEnds(topic, counted);
  return counted.flatMap(({ partition, cursor, epoch }, index) => {
    const stop = checkEpoch(cursor, epoch, ends[index]!);
    return stop ? [{ ...stop, partition }] : [];
  });
}

/**
 * Makes sure that a log holds what was counted, and also what was fetched after it. Otherwise the
 * answer might come from another log than the records: from a broker that has not heard of the
 * latest election.
 *
 * @param fetched the leader epoch of the records that follow; undefined if it is not known
 * @throws TallymanError `LOG_DIVERGED`; KafkaJSError if the log was replaced since the fetch, which
 *   another fetch shows
 */
export async function checkHeld(
  kafka: KafkaClient,
  topic: string,
  { partition, cursor, epoch }: Counted,
  fetched: number | undefined,
): Promise<void> {
  const [found, own] = await kafka.epochEnds(topic, [
    { partition, epoch },
    { partition, epoch: fetched ?? epoch },
  ]);
  if (fetched !== undefined && own!.epoch !== fetched)
    throw new KafkaJSError(`the log of ${topic}/${partition} has changed since it was fetched`);
  const stop = checkEpoch(cursor, epoch, found!);
  if (stop) throw chainStopped(topic, partition, stop);
}
