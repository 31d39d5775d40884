import { faultSuite } from '../support/fault-suite';
import { contentOf, counted, EVENTS, expectStop, pausedConsumer, replaceTopic } from './lost-log';

/**
 * Events that are gone from the log must stop what counts it, and no other event may pass for them.
 */
const fault = faultSuite('kafka: lost log, quick');

fault('a topic is recreated behind a consumer that was suspended meanwhile', async (run) => {
  const tallyman = await counted(run);
  const before = await contentOf(run, tallyman);
  const consumer = await pausedConsumer(run, tallyman);
  // The new log has passed the cursor before the consumer fetches again: to it, the log just went
  // on.
  await replaceTopic(run, tallyman, 3 * EVENTS);
  consumer.resume();
  expectStop(await consumer.ended(), 'TOPIC_REPLACED');
  expect(await contentOf(run, tallyman)).toEqual(before);
});
