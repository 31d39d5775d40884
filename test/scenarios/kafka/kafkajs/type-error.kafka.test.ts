import {
  fatalOf,
  MemoryTotals,
  rateAnything,
  testTopic,
  type TestTopic,
} from '../../../kit/kafka/kafka-harness';

/**
 * A TypeError in a handler ends kafkajs's consumer, and leaves the process alive and idle; a plain
 * Error is tried again for ever. Both must reach the owner, once, at once.
 */

let usage: TestTopic;
beforeEach(async () => {
  usage = await testTopic(1);
  await usage.fill(0, 10);
});
afterEach(() => usage.close());

it.each([
  ['TypeError', new TypeError('undefined is not a function')],
  ['RangeError', new RangeError('out of range')],
  ['Error', new Error('unexpected')],
  ['string', 'thrown'],
])('a %s in the rating is fatal', async (_, thrown) => {
  const totals = new MemoryTotals(1);
  let calls = 0;
  const runner = usage.runner(totals, {
    rate(message) {
      calls += 1;
      if (message.offset < 5) return rateAnything(message);
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- whatever is thrown
      throw thrown;
    },
  });
  await runner.start();
  expect(await fatalOf(runner)).toBe(thrown);
  await runner.stop();
  expect(runner.fatal).toHaveLength(1);
  expect(calls).toBe(6);
  expect(totals.cursors.get(0)).toBe(0);
});

it('an error of the totals is fatal', async () => {
  const totals = new MemoryTotals(1);
  totals.onApply = () => Promise.reject(new Error('Command timed out'));
  const runner = usage.runner(totals);
  await runner.start();
  expect(await fatalOf(runner)).toMatchObject({ message: 'Command timed out' });
});
