import { deferred } from '../../../../src/lib/process/deferred';
import { createStopDeadline } from '../../../../src/ingest/guards/stop-deadline';

interface Line {
  readonly waitsFor: readonly string[];
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

function watched() {
  const lines: Line[] = [];
  const end = jest.fn();
  const logger = { error: (line: Line) => void lines.push(line) };
  return { lines, end, deadline: createStopDeadline(logger as never, end, 1_000) };
}

it('ends the process once, and names what it still waited for', async () => {
  const { lines, end, deadline } = watched();
  const over = deferred<string>();
  const ended = deadline.during('the publisher', over.promise);
  void deadline.during('leaving the group', new Promise(() => undefined));
  deadline.begin();
  await jest.advanceTimersByTimeAsync(600);
  deadline.begin();
  over.resolve('closed');
  expect(await ended).toBe('closed');
  expect(end).not.toHaveBeenCalled();
  await jest.advanceTimersByTimeAsync(400);
  expect(end).toHaveBeenCalledTimes(1);
  expect(lines).toEqual([{ limitMs: 1_000, waitsFor: ['leaving the group'] }]);
  await jest.advanceTimersByTimeAsync(10_000);
  expect(end).toHaveBeenCalledTimes(1);
});

it('does nothing before a stop has begun', async () => {
  const { end, deadline } = watched();
  void deadline.during('the publisher', new Promise(() => undefined));
  await jest.advanceTimersByTimeAsync(10_000);
  expect(end).not.toHaveBeenCalled();
});
