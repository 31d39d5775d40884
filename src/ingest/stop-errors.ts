import { TallymanError } from '../lib/errors';
import type { ChainStop } from './resume-offset';

/** Errors that stop a consumer and that a restart does not fix: see the operations guide. */

export function uninitialised(topic: string, partition: number): TallymanError {
  return new TallymanError(
    'UNINITIALISED',
    `Redis holds no cursor of ${topic} partition ${partition}. If Redis was emptied, run ` +
      '`tallyman rebuild`. For a new installation, run `tallyman init`.',
    { topic, partition },
  );
}

export function chainStopped(
  topic: string,
  partition: number,
  { code, message, fields }: ChainStop,
): TallymanError {
  return new TallymanError(code, `${topic} partition ${partition}: ${message}`, {
    topic,
    partition,
    ...fields,
  });
}

export function topicReplaced(topic: string, expectedId: string, id: string): TallymanError {
  return new TallymanError(
    'TOPIC_REPLACED',
    `${topic} is not the topic that the cursors in Redis belong to (its id is ${id}, theirs ${expectedId}): it was ` +
      'deleted and recreated, or this is another Kafka. Its events would be taken for counted ones; see the operations guide.',
    { topic, expectedId, id },
  );
}
