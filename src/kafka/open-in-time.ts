import { TallymanError } from '../lib/errors';
import { within } from '../lib/process/poller';

/**
 * A port that accepts connections and is not Kafka's answers nothing. Without this limit, all
 * attempts together would wait for three minutes.
 */
const OPENING_TIMEOUT_MS = 12_000;

/**
 * Waits for a connection for OPENING_TIMEOUT_MS.
 *
 * @param brokers for the message
 * @param close closes a connection that is made too late
 * @throws TallymanError `KAFKA_UNAVAILABLE`
 */
export async function openedInTime<T>(
  brokers: string,
  opening: Promise<T>,
  close: (opened: T) => Promise<void>,
): Promise<T> {
  const answer = await within(
    OPENING_TIMEOUT_MS,
    opening.then((opened) => ({ opened })),
  );
  if (answer !== undefined) return answer.opened;
  opening.then(close).catch(() => undefined);
  throw new TallymanError(
    'KAFKA_UNAVAILABLE',
    `Kafka at ${brokers} does not answer within ${OPENING_TIMEOUT_MS / 1_000} s. Check that KAFKA_BROKERS names ` +
      'the port of Kafka, and that the port speaks TLS (KAFKA_SSL) or not.',
    { brokers },
  );
}
