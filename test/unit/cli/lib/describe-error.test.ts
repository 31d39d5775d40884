import { KafkaJSConnectionError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from 'kafkajs';
import { describeError } from '../../../../src/cli/lib/describe-error';
import { TallymanError } from '../../../../src/lib/errors';

class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

test('a reply of Redis that has no code of its own', () => {
  expect(describeError(new ReplyError('ERR unknown command'))).toMatchObject({
    code: 'REDIS_REFUSED',
    message: expect.stringContaining('ERR unknown command') as string,
  });
});

test('Kafka is away: one line names the reason, not the class of an error', () => {
  const refused = new KafkaJSConnectionError('Connection error: connect ECONNREFUSED 127.0.0.1:9092');
  const retried = new KafkaJSNumberOfRetriesExceeded(refused, { retryCount: 5, retryTime: 300 });
  for (const error of [refused, retried, new KafkaJSNonRetriableError(retried)]) {
    const { code, message } = describeError(error);
    expect(code).toBe('KAFKA_UNAVAILABLE');
    expect(message).toContain('ECONNREFUSED 127.0.0.1:9092');
    expect(message).not.toContain('\n');
  }
});

test('an error of our own is told as it is, however deep a library has wrapped it', () => {
  const own = new TallymanError('MONTH_NOT_OVER', 'The month is not over.');
  expect(describeError(own)).toBe(own);
  expect(describeError(new Error('wrapped', { cause: own }))).toBe(own);
});

test('a fault of the program is one line as well', () => {
  expect(describeError(new TypeError("Cannot read properties of undefined (reading 'a')"))).toMatchObject({
    code: 'UNEXPECTED',
    message: expect.stringMatching(/^Cannot read .*LOG_LEVEL=debug[^\n]*$/) as string,
  });
});
