import { KafkaJSError, KafkaJSNonRetriableError } from '../../../../src/kafka/client';
import { TallymanError } from '../../../../src/lib/errors';
import { problemDocument, problemOfError } from '../../../../src/web/http/problems';

test.each([
  ['REDIS_WENT_BACK', 'The totals have just been rebuilt. Try again.'],
  ['REBUILD_UNFINISHED', 'The totals are being rebuilt. They are shown again when the rebuild has ended.'],
  ['REDIS_UNAVAILABLE', 'Redis does not answer.'],
  ['LEDGER_MOVED', 'The totals of this month cannot be read until the operator has run a rebuild.'],
  ['LEDGER_DAMAGED', 'The totals of this month cannot be read until the operator has restored a ledger.'],
] as const)('%s is answered with 503 and its own text', (code, detail) => {
  const problem = problemOfError(new TallymanError(code, 'secret'));
  expect(problemDocument(problem)).toMatchObject({ status: 503, code: 'STORE_UNAVAILABLE', detail });
});

test.each([
  new TallymanError('KAFKA_UNAVAILABLE', 'secret'),
  new TallymanError('KAFKA_ACCESS', 'secret'),
  new TallymanError('LOG_STALLED', 'secret'),
  new KafkaJSError('secret'),
  new KafkaJSNonRetriableError('secret'),
])('%p is answered with 503, and when to try again', (error) => {
  const problem = problemOfError(error);
  expect(problemDocument(problem)).toMatchObject({
    ...{ status: 503, code: 'KAFKA_UNAVAILABLE', detail: 'Kafka does not answer.' },
  });
  expect(problem.headers).toEqual({ 'retry-after': '5' });
});
