import { readFileSync } from 'node:fs';
import { errorsPage } from '../../../src/dev/errors-page';
import { ERRORS, HOLDS } from '../../../src/lib/error-codes';
import { sourceFiles } from '../rules/layers';

const TABLE = 'src/lib/error-codes.ts';

test('docs/errors.md is made of the table: run `npm run docs:errors`', () => {
  expect(readFileSync('docs/errors.md', 'utf8')).toBe(errorsPage());
});

// The compiler holds the other direction: a code that is not in the table cannot be thrown.
test('every code of the table is used somewhere', () => {
  const source = sourceFiles()
    .filter((file) => file !== TABLE)
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  const codes = [...Object.keys(ERRORS), ...Object.keys(HOLDS)];
  expect(codes.filter((code) => !source.includes(`'${code}'`))).toEqual([]);
});

test('every meaning and every remedy is a sentence', () => {
  const texts = Object.values(ERRORS).flatMap(({ meaning, remedy }) => [meaning, remedy]);
  expect([...texts, ...Object.values(HOLDS)].filter((text) => !/^[A-Z`].*\.$/.test(text))).toEqual([]);
});
