import { TallymanError } from '../lib/errors';
import { repeat } from '../lib/process/poller';
import type { Sockets } from './sockets';

/**
 * How long a command waits without a single answer. A paused follower leaves a cluster after 9
 * seconds by default, and an acknowledgement may wait for that.
 */
export const SILENCE_MS = 12_000;
const LOOK_EVERY_MS = 500;
/** A command that was cut off may say within this time what it has done. */
const LAST_WORDS_MS = 2_000;

/**
 * Cuts the connections of a client whose requests nobody answers. kafkajs alone would wait 30
 * seconds for each answer and ask again, for more than ten minutes in all. Work that goes on is
 * never cut, however long it takes, because any answer counts.
 *
 * Looks are counted instead of seconds: a process that was itself stopped, or busy, has not read
 * the answers yet.
 *
 * @param onSilence called if the command has not ended by itself a little later
 */
export function watchSilence(
  sockets: Sockets,
  brokers: string,
  onSilence: (error: TallymanError) => void,
): { stop(): void } {
  let unanswered = 0;
  let last: NodeJS.Timeout | undefined;
  const watch = repeat({
    everyMs: LOOK_EVERY_MS,
    turn() {
      unanswered = sockets.isUnanswered() ? unanswered + 1 : 0;
      if (unanswered * LOOK_EVERY_MS !== SILENCE_MS) return;
      const error = noAnswer(brokers);
      sockets.close(error);
      last ??= setTimeout(() => onSilence(error), LAST_WORDS_MS);
    },
    onFailure: () => undefined,
  });
  return {
    stop() {
      void watch.stop();
      clearTimeout(last);
    },
  };
}

const noAnswer = (brokers: string): TallymanError =>
  new TallymanError(
    'KAFKA_UNAVAILABLE',
    `Kafka at ${brokers} has not answered for ${SILENCE_MS / 1_000} s. Check that the brokers in KAFKA_BROKERS are ` +
      'running, then run this again.',
    { brokers },
  );
