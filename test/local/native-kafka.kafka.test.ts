import { brokerAnswers } from '../../src/stream/ping-broker';
import { testBrokers } from '../support/services';

test('the run has a Kafka', async () => {
  expect(await brokerAnswers(testBrokers())).toBe(true);
});
