import RequestQueue from 'kafkajs/src/network/requestQueue';
import { installWorkarounds } from '../../../src/kafka/patches/install';

/**
 * tulios/kafkajs#1556, #1704: an idle client sets a timer after every answer, and each firing sets
 * the next.
 */

interface Queue {
  push(request: object): void;
  fulfillRequest(answer: { correlationId: number; payload: Buffer; size: number }): void;
  maybeThrottle(throttleMs: number): void;
}

function makeQueue(maxInFlightRequests: number | null): Queue {
  const Constructor = RequestQueue as unknown as new (options: object) => Queue;
  return new Constructor({
    maxInFlightRequests,
    requestTimeout: 1_000,
    enforceRequestTimeout: false,
    logger: { debug: () => undefined, warn: () => undefined },
  });
}

const request = (correlationId: number, onSend: () => void) => ({
  entry: { correlationId, resolve: () => undefined, reject: () => undefined },
  expectResponse: true,
  requestTimeout: null,
  sendRequest: onSend,
});

beforeAll(() => installWorkarounds());
beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('an idle queue sets no timer', () => {
  const queue = makeQueue(null);
  queue.push(request(1, () => undefined));
  queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
  expect(jest.getTimerCount()).toBe(0);
});

it('a request that waits for another is sent after it', () => {
  const queue = makeQueue(1);
  const sent: number[] = [];
  queue.push(request(1, () => sent.push(1)));
  queue.push(request(2, () => sent.push(2)));
  expect(sent).toEqual([1]);
  queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
  expect(sent).toEqual([1, 2]);
  queue.fulfillRequest({ correlationId: 2, payload: Buffer.alloc(0), size: 0 });
  jest.runAllTimers();
  expect(jest.getTimerCount()).toBe(0);
});

it('a throttled request is sent when the throttling ends, with no negative delay (tulios/kafkajs#1751)', () => {
  const delays: (number | undefined)[] = [];
  const { setTimeout } = globalThis;
  const spy = jest.spyOn(globalThis, 'setTimeout').mockImplementation((run, delay) => {
    delays.push(delay);
    return setTimeout(run, delay);
  });
  const queue = makeQueue(null);
  queue.maybeThrottle(500);
  let isSent = false;
  queue.push(request(1, () => (isSent = true)));
  jest.advanceTimersByTime(499);
  expect(isSent).toBe(false);
  jest.advanceTimersByTime(20);
  expect(isSent).toBe(true);
  queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
  jest.runAllTimers();
  expect(delays.filter((delay) => delay === undefined || delay < 0)).toEqual([]);
  spy.mockRestore();
});
