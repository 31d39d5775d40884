import { faultSuite } from '../support/fault-suite';
import { withKafka } from '../support/kafka-client';
import { MONTH_BEFORE } from '../support/load';
import { expectTotals, publishInTransactions } from './transactions';

const fault = faultSuite('kafka: transactions, quick');

fault('committed, aborted and interleaved; the log ends with markers only', async (run) => {
  const tallyman = await run.install(2);
  const expected = await withKafka(run.world, (client) => publishInTransactions(run, tallyman, client, 600));
  expect(expected.size).toBeGreaterThan(10);
  await run.finish(tallyman);
  await expectTotals(run, tallyman, expected);
  // A close waits for the log's end: it must be reached, though nothing there can be counted.
  await tallyman.ok('close', MONTH_BEFORE, '--grace', '0s', '--stall', '5s');
  await run.judge(tallyman);
});
