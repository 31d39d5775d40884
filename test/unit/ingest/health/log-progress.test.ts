import { logProgress } from '../../../../src/ingest/health/log-progress';
import type { TopicConsumerStatus } from '../../../../src/ingest/consumer';
import type { Logger } from '../../../../src/lib/logger';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('one line per minute of what was done in it, and one of everything at the end', () => {
  const lines: [string, object][] = [];
  const logger = { info: (fields: object, text: string) => lines.push([text, fields]) };
  const partitions = [{ partition: 0 }, { partition: 5 }];
  let status = {
    topic: 'usage.session',
    partitions,
    counted: 0,
    duplicates: 0,
    late: 0,
    voided: 0,
    rejected: 0,
  };
  let deadLetters: Record<string, number> = {};
  const log = logProgress({
    logger: logger as unknown as Logger,
    statuses: () => [status as unknown as TopicConsumerStatus],
    position: () => ({ atMs: 0, partitions: [], behind: 7, perSecond: 0, topics: [] }),
    deadLetters: () => deadLetters,
  });

  status = { ...status, counted: 1_200, duplicates: 3, rejected: 2 };
  deadLetters = { too_old: 2 };
  jest.advanceTimersByTime(60_000);
  status = { ...status, counted: 1_800 };
  jest.advanceTimersByTime(60_000);
  log.stop();
  jest.advanceTimersByTime(600_000);

  const rest = { late: 0, voided: 0 };
  const state = { behind: 7, partitions: { 'usage.session': [0, 5] } };
  expect(lines).toEqual([
    [
      'progress',
      {
        ...{ counted: 1_200, duplicates: 3, rejected: 2, ...rest },
        ...{ countedPerSecond: 20, deadLetters: { too_old: 2 }, ...state },
      },
    ],
    [
      'progress',
      {
        ...{ counted: 600, duplicates: 0, rejected: 0, ...rest },
        ...{ countedPerSecond: 10, deadLetters: {}, ...state },
      },
    ],
    [
      'stopped',
      {
        ...{ seconds: 120, counted: 1_800, duplicates: 3, rejected: 2, ...rest },
        deadLetters: { too_old: 2 },
      },
    ],
  ]);
});
