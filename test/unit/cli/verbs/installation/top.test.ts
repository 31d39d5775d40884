import { PassThrough } from 'node:stream';
import { cutTo, openScreen } from '../../../../../src/cli/lib/top/screen';
import { topDocument, topLines, type TopView } from '../../../../../src/cli/lib/top/top-view';
import { toned } from '../../../../../src/cli/lib/output';

const NOW_MS = Date.parse('2026-11-24T12:00:00Z');

const view: TopView = {
  nowMs: NOW_MS,
  month: '2026-11',
  currency: 'USD',
  position: {
    atMs: NOW_MS,
    behind: 1_250,
    perSecond: 100,
    topics: [
      { topic: 'usage.session', behind: 1_250, perSecond: 90 },
      { topic: 'usage.agent', behind: 0, perSecond: 10 },
    ],
    partitions: [
      { topic: 'usage.session', partition: 0, cursor: 10, end: 1_010, stable: 1_010, stillMs: 0 },
      { topic: 'usage.session', partition: 1, cursor: 50, end: 300, stable: 300, stillMs: 42_000 },
      { topic: 'usage.agent', partition: 0, cursor: 7, end: 7, stable: 7, stillMs: 0 },
    ],
  },
  deadLetters: { letters: [], isCut: false },
  spend: {
    projects: [{ project: 'evil\u001b[2J', plan: 'ship', total: '1234.50' }],
    priced: 3,
    isCut: false,
    atMs: NOW_MS,
  },
  problems: [],
};

const textOf = (shown: TopView): string =>
  topLines(shown)
    .map(({ text }) => text)
    .join('\n');

test('the view tells lag, rate, the stuck before the merely lagging, and what projects cost', () => {
  expect(textOf(view)).toBe(`tallyman top  2026-11-24T12:00:00.000Z
Behind: 1,250 to apply, about 13 s at this rate.

topic          behind  applied/s
usage.session   1,250         90
usage.agent         0         10
all             1,250        100

partition        behind  cursor  state
usage.session/1     250      50  STUCK for 42 s
usage.session/0   1,000      10  lagging

No dead letters.

project, 2026-11  plan  so far, USD
evil\\u001b[2J     ship     1,234.50
... and 2 more`);
});

test('only what is stuck is red', () => {
  const red = topLines(view).filter(({ tone }) => tone === 'bad');
  expect(red.map(({ text }) => text)).toEqual([expect.stringContaining('usage.session/1')]);
});

test('what is not known is said to be so, not shown as 0', () => {
  const blind = {
    ...view,
    position: undefined,
    deadLetters: undefined,
    spend: undefined,
    problems: ['no\u001bway'],
  };
  const text = textOf(blind);
  expect(text).toContain('It is not known how fresh the totals are.');
  expect(text).toContain('no\\u001bway');
  expect(text).not.toContain('No dead letters');
  expect(topDocument(blind)).not.toHaveProperty('freshness.behind');
});

/** A terminal of this size that keeps what was written to it. */
function terminal(columns: number, rows: number): { stream: NodeJS.WriteStream; written: () => string } {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { columns, rows, isTTY: true });
  let text = '';
  stream.on('data', (part: string) => (text += part));
  return { stream: stream as unknown as NodeJS.WriteStream, written: () => text };
}

test('a screen is drawn over itself, cut to the terminal, and gives the cursor back', () => {
  const { stream, written } = terminal(8, 3);
  const listeners = process.listenerCount('exit');
  const screen = openScreen(stream);
  expect(written()).toBe('\u001b[?25l\u001b[2J');
  const before = written().length;
  screen.draw([{ text: 'longer than that' }, { text: 'b' }, { text: 'no row is left for this' }]);
  expect(written().slice(before)).toBe('\u001b[Hlonger …\u001b[K\nb\u001b[K\n\u001b[J');
  screen.close();
  expect(written().endsWith('\u001b[?25h')).toBe(true);
  expect(process.listenerCount('exit')).toBe(listeners);
});

test('no character is halved at the edge', () => {
  expect(cutTo('😀😀😀', 2)).toBe('😀…');
  expect(cutTo('😀😀', 2)).toBe('😀😀');
});

describe('colours', () => {
  const before = process.env['NO_COLOR'];
  afterEach(() => {
    if (before === undefined) delete process.env['NO_COLOR'];
    else process.env['NO_COLOR'] = before;
  });

  test('are for terminals, and not for who set NO_COLOR', () => {
    const { stream } = terminal(80, 24);
    delete process.env['NO_COLOR'];
    expect(toned('bad', 'stuck', stream)).toBe('\u001b[31mstuck\u001b[0m');
    expect(toned('bad', 'stuck', new PassThrough() as unknown as NodeJS.WriteStream)).toBe('stuck');
    process.env['NO_COLOR'] = '1';
    expect(toned('bad', 'stuck', stream)).toBe('stuck');
  });
});
