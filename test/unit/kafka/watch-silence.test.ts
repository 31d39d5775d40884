import { SILENCE_MS, watchSilence } from '../../../src/kafka/watch-silence';
import type { TallymanError } from '../../../src/lib/errors';

const LOOK_MS = 500;

function watched(isUnanswered: () => boolean) {
  const reasons: (Error | undefined)[] = [];
  const silences: TallymanError[] = [];
  const sockets = { isUnanswered, close: (reason?: Error) => void reasons.push(reason), factory: undefined! };
  const watch = watchSilence(sockets, 'kafka-1:9092', (error) => silences.push(error));
  return { reasons, silences, watch };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('silence cuts the connections with the address and what to do, and then ends the command', async () => {
  const { reasons, silences, watch } = watched(() => true);
  await jest.advanceTimersByTimeAsync(SILENCE_MS - LOOK_MS);
  expect(reasons).toEqual([]);
  await jest.advanceTimersByTimeAsync(LOOK_MS);
  expect(reasons).toEqual([expect.objectContaining({ code: 'KAFKA_UNAVAILABLE' })]);
  expect(String(reasons[0])).toMatch(/kafka-1:9092 .*KAFKA_BROKERS/);
  expect(silences).toEqual([]);
  await jest.advanceTimersByTimeAsync(SILENCE_MS);
  expect(silences).toEqual(reasons);
  watch.stop();
});

test('work that is answered now and then is never cut, however long it takes', async () => {
  let looks = 0;
  const { reasons, watch } = watched(() => (looks += 1) % (SILENCE_MS / LOOK_MS) !== 0);
  await jest.advanceTimersByTimeAsync(100 * SILENCE_MS);
  expect(reasons).toEqual([]);
  watch.stop();
});

test('a command that has ended is not ended again', async () => {
  const { reasons, silences, watch } = watched(() => true);
  await jest.advanceTimersByTimeAsync(SILENCE_MS);
  watch.stop();
  await jest.advanceTimersByTimeAsync(SILENCE_MS);
  expect([reasons.length, silences.length]).toEqual([1, 0]);
});
