import { checkCursor, checkEpoch, decide, type ChainInput, review } from '../../../src/ingest/resume-offset';

const batch = (fetchedOffset: number, lastOffset: number) => ({ fetchedOffset, lastOffset });

describe('a batch that was fetched at the cursor', () => {
  it('is applied up to its last offset', () => {
    expect(decide({ cursor: 100, batch: batch(100, 149), seeks: 0 })).toEqual({
      do: 'apply',
      from: 100,
      next: 150,
    });
  });

  it('is applied however often the consumer was sent there before', () => {
    expect(decide({ cursor: 100, batch: batch(100, 100), seeks: 9 })).toEqual({
      do: 'apply',
      from: 100,
      next: 101,
    });
  });
});

describe('a batch that was fetched elsewhere', () => {
  it.each([
    ['below the cursor: a committed offset that lags', 40, 90],
    ['across the cursor', 40, 140],
    ['above the cursor', 150, 190],
  ])('is left, and the consumer sent to the cursor: %s', (_, fetched, last) => {
    expect(decide({ cursor: 100, batch: batch(fetched, last), seeks: 0 })).toEqual({ do: 'seek', to: 100 });
  });

  it('after a seek already: the log is asked', () => {
    expect(decide({ cursor: 100, batch: batch(150, 190), seeks: 1 })).toEqual({ do: 'ask' });
    expect(decide({ cursor: 100, batch: batch(0, 50), seeks: 1 })).toEqual({ do: 'ask' });
  });

  const asked = (input: Partial<ChainInput>) =>
    decide({ cursor: 100, batch: batch(150, 190), seeks: 1, log: { start: 0, end: 500 }, ...input });

  it('goes on from the cursor where the range between held nothing', () => {
    expect(asked({})).toEqual({ do: 'apply', from: 100, next: 191 });
    expect(asked({ log: { start: 100, end: 191 } })).toEqual({ do: 'apply', from: 100, next: 191 });
  });

  it('never passes over a record that is still there', () => {
    expect(asked({ log: { start: 0, end: 500, firstUnapplied: 120 } })).toEqual({ do: 'seek', to: 100 });
  });

  it('stops when the log starts after the cursor: events are gone', () => {
    expect(asked({ log: { start: 101, end: 500 } })).toMatchObject({ do: 'stop', code: 'EVENTS_GONE' });
    expect(asked({ log: { start: 101, end: 500, firstUnapplied: 120 } })).toMatchObject({
      code: 'EVENTS_GONE',
    });
  });

  it('stops when the log ends before the cursor: a new topic, or a lost end', () => {
    expect(asked({ batch: batch(0, 50), log: { start: 0, end: 99 } })).toMatchObject({
      do: 'stop',
      code: 'CURSOR_PAST_LOG_END',
    });
  });

  it('below the cursor, with the cursor in the log: seeks again', () => {
    expect(asked({ batch: batch(0, 50) })).toEqual({ do: 'seek', to: 100 });
  });

  it('stops in the end when seeking does not help', () => {
    expect(asked({ batch: batch(0, 50), seeks: 10 })).toMatchObject({ do: 'stop', code: 'SEEK_IGNORED' });
    expect(asked({ log: { start: 0, end: 500, firstUnapplied: 120 }, seeks: 10 })).toMatchObject({
      do: 'stop',
      code: 'SEEK_IGNORED',
    });
  });
});

describe('a cursor against the log', () => {
  it.each([
    [100, 100, 100, undefined],
    [100, 0, 100, undefined],
    [100, 100, 200, undefined],
    [99, 100, 200, 'EVENTS_GONE'],
    [101, 0, 100, 'CURSOR_PAST_LOG_END'],
    [1, 0, 0, 'CURSOR_PAST_LOG_END'],
    [0, 0, 0, undefined],
  ])('cursor %d in [%d, %d): %s', (cursor, start, end, code) => {
    expect(checkCursor(cursor, { start, end })?.code).toBe(code);
  });
});

describe('a look at a partition while nothing is fetched', () => {
  const log = { start: 0, end: 10 };

  test('sends the consumer to the cursor when nothing was fetched since the assignment', () => {
    // It reads at the committed offset, which may lie past the cursor: in an idle partition no
    // batch would tell.
    expect(review(undefined, 4, log)).toEqual({ do: 'seek', to: 4 });
  });

  test('leaves it alone when all is applied, or when it goes on from what it has in mind', () => {
    expect(review(undefined, 10, log)).toEqual({ do: 'nothing' });
    expect(review(4, 4, log)).toEqual({ do: 'nothing' });
    expect(review(4, 7, log)).toEqual({ do: 'nothing' });
  });

  test('goes back with totals that went back', () => {
    expect(review(7, 4, log)).toEqual({ do: 'seek', to: 4 });
  });

  test.each([
    [4, { start: 5, end: 10 }, 'EVENTS_GONE'],
    [11, log, 'CURSOR_PAST_LOG_END'],
  ])('stops at %i in %j: %s', (cursor, bounds, code) => {
    expect(review(undefined, cursor, bounds)).toMatchObject({ do: 'stop', code });
  });
});

describe('a log that was counted up to offset 100, whose record 99 is of epoch 5', () => {
  it.each([
    ['holds more of that epoch', { epoch: 5, end: 140 }],
    ['ends there', { epoch: 5, end: 100 }],
  ])('is the same log if it %s', (_, found) => {
    expect(checkEpoch(100, 5, found)).toBeUndefined();
  });

  it.each([
    ['holds less of that epoch', { epoch: 5, end: 99 }],
    ['never had that epoch, and is shorter before it', { epoch: 4, end: 80 }],
    ['never had that epoch, and is longer before it: its old leader is back', { epoch: 4, end: 150 }],
    ['holds no epoch as late as that one', { epoch: -1, end: -1 }],
  ])('is another log if it %s', (_, found) => {
    expect(checkEpoch(100, 5, found)).toMatchObject({ do: 'stop', code: 'LOG_DIVERGED' });
  });
});
