import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { deferred } from '../../../../src/lib/process/deferred';
import { createStopDeadline } from '../../../../src/ingest/guards/stop-deadline';

interface Line {
  readonly waitsFor: readonly string[];
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

function watched() {
  const lines: Line[] = [];
  const [cut, end] = [jest.fn(), jest.fn()];
  const logger = {
    warn: (line: Line) => void lines.push(line),
    error: (line: Line) => void lines.push(line),
  };
  return { lines, cut, end, deadline: createStopDeadline(logger as never, cut, end) };
}

it('cuts the connections once, then ends the process once, and names what it still waited for', async () => {
  const { lines, cut, end, deadline } = watched();
  const over = deferred<string>();
  const ended = deadline.during('the publisher', over.promise);
  void deadline.during('leaving the group', new Promise(() => undefined));
  deadline.begin();
  await jest.advanceTimersByTimeAsync(3_999);
  deadline.begin();
  expect(cut).not.toHaveBeenCalled();
  await jest.advanceTimersByTimeAsync(1);
  expect(cut).toHaveBeenCalledTimes(1);
  over.resolve('closed');
  expect(await ended).toBe('closed');
  await jest.advanceTimersByTimeAsync(15_999);
  expect(end).not.toHaveBeenCalled();
  await jest.advanceTimersByTimeAsync(1);
  expect(end).toHaveBeenCalledTimes(1);
  expect(lines).toEqual([
    { waitsFor: ['the publisher', 'leaving the group'] },
    { limitMs: 20_000, waitsFor: ['leaving the group'] },
  ]);
  await jest.advanceTimersByTimeAsync(60_000);
  expect([cut.mock.calls.length, end.mock.calls.length]).toEqual([1, 1]);
});

it('names the open connections when every step is over', async () => {
  const { lines, deadline } = watched();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  deadline.begin();
  await jest.advanceTimersByTimeAsync(4_000);
  expect(lines[0]!.waitsFor).toContain(`a connection to 127.0.0.1:${port}`);
  socket.destroy();
  server.close();
});

it('does nothing before a stop has begun', async () => {
  const { cut, end, deadline } = watched();
  void deadline.during('the publisher', new Promise(() => undefined));
  await jest.advanceTimersByTimeAsync(60_000);
  expect(cut).not.toHaveBeenCalled();
  expect(end).not.toHaveBeenCalled();
});
