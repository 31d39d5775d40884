import { html, live, livePart, type Html } from '../../../../src/web/pages/html';
import { changesBetween, createLiveStates, liveStateOf } from '../../../../src/web/pages/live-state';

const page = (cost: string, names: readonly string[] = ['a']): Html =>
  html`<h1>Page</h1>
    ${livePart('cost', html`<p>${live('cost', cost)}</p>`)}
    ${livePart(
      'list',
      html`<ul>
        ${names.map((name, i) => html`<li>${name} ${live(`n${i}`, cost)}</li>`)}
      </ul>`,
    )}`;
const changes = (before: Html | undefined, after: Html): ReturnType<typeof changesBetween> =>
  changesBetween(before && liveStateOf(before), liveStateOf(after));

test('only the numbers that differ are sent', () => {
  expect(changes(page('$1.00'), page('$1.00'))).toBeUndefined();
  expect(changes(page('$1.00'), page('$2.00'))).toEqual({
    numbers: { cost: '$2.00', n0: '$2.00' },
    parts: {},
  });
});

test('a part with another shape is sent whole, without its numbers', () => {
  const { numbers, parts } = changes(page('$1.00'), page('$2.00', ['b', 'c']))!;
  expect(numbers).toEqual({ cost: '$2.00' });
  expect(Object.keys(parts)).toEqual(['list']);
  expect(parts['list']).toContain('<li>c <span data-live="n1">$2.00</span></li>');
});

test('a tab of which nothing is known gets every part', () => {
  expect(Object.keys(changes(undefined, page('$1.00'))!.parts)).toEqual(['cost', 'list']);
});

test('what is sent is escaped', () => {
  const { numbers } = changes(page('1'), page('<b>"'))!;
  expect(numbers['cost']).toBe('&lt;b&gt;&quot;');
  expect(html`${live('"><script>', 1)}`.text).toBe('<span data-live="&quot;&gt;&lt;script&gt;">1</span>');
});

test('the latest states are remembered, and no others', () => {
  const states = createLiveStates();
  const all = Array.from({ length: 65 }, (_, i) => liveStateOf(page(`$${i}.00`)));
  all.forEach((state) => states.remember(state));
  expect(states.find(all[0]!.id)).toBeUndefined();
  expect(states.find(all[1]!.id)).toBe(all[1]);
});
