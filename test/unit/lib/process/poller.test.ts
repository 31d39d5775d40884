import { getEventListeners } from 'node:events';
import { pause, polled, repeat, within } from '../../../../src/lib/process/poller';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

/** Notes whether a promise has ended, without waiting for it. */
function ended(promise: Promise<unknown>): { yes: boolean } {
  const state = { yes: false };
  void promise.then(() => (state.yes = true));
  return state;
}

/** Work whose end the test decides. */
function gated<T>(): { work: () => Promise<T>; ends: ((result: T | Error) => void)[] } {
  const ends: ((result: T | Error) => void)[] = [];
  const work = (): Promise<T> =>
    new Promise((resolve, reject) =>
      ends.push((result) => (result instanceof Error ? reject(result) : resolve(result))),
    );
  return { work, ends };
}

describe('a pause', () => {
  test('ends after its time, not before', async () => {
    const pausing = ended(pause(1_000));
    await pass(999);
    expect(pausing.yes).toBe(false);
    await pass(1);
    expect(pausing.yes).toBe(true);
  });

  test('may be longer than a timer of Node can be', async () => {
    const days = 86_400_000;
    const pausing = ended(pause(30 * days));
    await pass(30 * days - 1);
    expect(pausing.yes).toBe(false);
    await pass(1);
    expect(pausing.yes).toBe(true);
  });

  test('ends when its signal is aborted, and leaves no timer', async () => {
    const stop = new AbortController();
    const pausing = ended(pause(1_000, stop.signal));
    stop.abort();
    await pass(0);
    expect(pausing).toEqual({ yes: true });
    expect(jest.getTimerCount()).toBe(0);
  });

  test('does not begin if its signal is aborted already', async () => {
    await pause(1_000, AbortSignal.abort());
    expect(jest.getTimerCount()).toBe(0);
  });

  test('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const pausing = pause(1_000, signal);
    await pass(1_000);
    await pausing;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('a limit', () => {
  test('lets an answer in time through, and leaves no timer', async () => {
    expect(await within(1_000, Promise.resolve('answer'))).toBe('answer');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('gives up on a late answer', async () => {
    const limited = within(1_000, new Promise(() => undefined));
    await pass(1_000);
    expect(await limited).toBeUndefined();
  });

  test('passes a failure on', async () => {
    await expect(within(1_000, Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  });
});

describe('a repeated task', () => {
  test('runs its first turn after the interval, and the next one the interval after its end', async () => {
    const { work, ends } = gated<void>();
    const task = repeat({ everyMs: 1_000, turn: work, onFailure: jest.fn() });
    await pass(999);
    expect(ends).toHaveLength(0);
    await pass(1);
    expect(ends).toHaveLength(1);
    await pass(10_000); // The turn takes long. No other one begins.
    expect(ends).toHaveLength(1);
    ends[0]!();
    await pass(999);
    expect(ends).toHaveLength(1);
    await pass(1);
    expect(ends).toHaveLength(2);
    ends[1]!();
    await task.stop();
  });

  test('runs a turn on request, and joins the running one', async () => {
    const { work, ends } = gated<void>();
    const task = repeat({ everyMs: 1_000, turn: work, onFailure: jest.fn() });
    const both = ended(Promise.all([task.now(), task.now()]));
    expect(ends).toHaveLength(1);
    ends[0]!();
    await pass(0);
    expect(both.yes).toBe(true);
    expect(jest.getTimerCount()).toBe(1);
    await task.stop();
  });

  test('goes on after a failure, and reports which failure is the first and when it is over', async () => {
    const outcomes = [false, false, true, true, false];
    const reported: unknown[] = [];
    const task = repeat({
      everyMs: 1_000,
      turn() {
        if (outcomes.shift() === false) throw new Error('refused');
      },
      onFailure: (error, isFirst) => reported.push([(error as Error).message, isFirst]),
      onRecovery: () => reported.push('recovered'),
    });
    await pass(5_000);
    expect(reported).toEqual([['refused', true], ['refused', false], 'recovered', ['refused', true]]);
    await task.stop();
  });

  test('begins no turn after a stop', async () => {
    const turn = jest.fn();
    const task = repeat({ everyMs: 1_000, turn, onFailure: jest.fn() });
    await task.stop();
    await task.now();
    await pass(5_000);
    expect(turn).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });

  test('waits at a stop for the running turn, and does not report its failure', async () => {
    const { work, ends } = gated<void>();
    const onFailure = jest.fn();
    const task = repeat({ everyMs: 1_000, turn: work, onFailure });
    void task.now();
    const stopping = ended(task.stop());
    await pass(0);
    expect(stopping.yes).toBe(false);
    ends[0]!(new Error('the connection was cut'));
    await pass(5_000);
    expect(stopping.yes).toBe(true);
    expect(onFailure).not.toHaveBeenCalled();
    expect(ends).toHaveLength(1);
  });
});

describe('a polled query', () => {
  test('keeps its answer for the interval', async () => {
    let count = 0;
    const query = polled(1_000, () => Promise.resolve((count += 1)));
    expect(query.latest()).toBeUndefined();
    expect(await query.refresh()).toBe(1);
    await pass(999);
    expect(await query.refresh()).toBe(1);
    await pass(1);
    expect(await query.refresh()).toBe(2);
    expect(query.latest()).toBe(2);
  });

  test('is shared while it has no answer, however long it takes', async () => {
    const { work, ends } = gated<string>();
    const query = polled(1_000, work);
    const first = query.refresh();
    await pass(5_000);
    const second = query.refresh();
    expect(ends).toHaveLength(1);
    ends[0]!('answer');
    expect(await Promise.all([first, second])).toEqual(['answer', 'answer']);
  });

  test('does not keep a failure: the next call queries again', async () => {
    const outcomes = ['first', new Error('refused'), 'third'];
    const query = polled(0, () => {
      const outcome = outcomes.shift()!;
      return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
    });
    await query.refresh();
    await pass(1);
    await expect(query.refresh()).rejects.toThrow('refused');
    expect([query.latest(), query.failure()?.message]).toEqual([undefined, 'refused']);
    await query.refresh();
    expect([query.latest(), query.failure()]).toEqual(['third', undefined]);
  });

  test('counts the age of an answer from the begin of its query', async () => {
    const { work, ends } = gated<string>();
    const query = polled(0, work);
    await pass(500);
    expect(query.ageMs()).toBe(500); // Nothing was ever answered.
    const asked = query.refresh();
    await pass(2_000);
    ends[0]!('answer');
    await asked;
    expect(query.ageMs()).toBe(2_000);
    expect([query.latest(2_001), query.latest(2_000)]).toEqual(['answer', undefined]);
  });

  test('ignores the answer of a query that was forgotten while it ran', async () => {
    const { work, ends } = gated<string>();
    const query = polled(10_000, work);
    void query.refresh();
    query.forget();
    const second = query.refresh();
    ends[1]!('new');
    await second;
    ends[0]!('old');
    await pass(0);
    expect(query.latest()).toBe('new');
  });
});
