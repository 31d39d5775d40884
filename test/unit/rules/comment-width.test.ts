import { readFileSync } from 'node:fs';
import { filesOf } from './layers';

/** Prose in wider columns is read slowly. */
const COLUMNS = 100;

/** Whether a comment is too wide. An address, a directive and a long word cannot be broken. */
const isTooWide = (line: string): boolean =>
  line.length > COLUMNS &&
  /^\s*(?:\/\/|\/?\*)/.test(line) &&
  !/https?:|eslint-|@ts-|prettier-/.test(line) &&
  /^\s*\S+\s+\S.*\s/.test(line);

test('comments keep to a hundred columns', () => {
  const wide = ['src', 'consumers', 'test', 'bench'].flatMap(filesOf).flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, index) => (isTooWide(line) ? [`${file}:${index + 1}`] : [])),
  );
  expect(wide).toEqual([]);
});

test.each([`  // ${'word '.repeat(20)}`, ` * ${'word '.repeat(20)}`, `/** ${'word '.repeat(20)}*/`])(
  'a wide comment is found: %s',
  (line) => expect(isTooWide(line)).toBe(true),
);
