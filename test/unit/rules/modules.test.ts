import { cyclesIn, modulesOf, readModule, unusedExports } from './modules';

const sources = modulesOf('src', 'consumers');

test('no source files load one another in a circle', () => {
  expect(cyclesIn(sources)).toEqual([]);
});

test('every export is used by another file', () => {
  expect(unusedExports(sources, [...sources, ...modulesOf('test', 'bench', 'schemas')])).toEqual([]);
});

describe('the reader of modules itself', () => {
  test('tells what a file loads from what it only names', () => {
    const { loads, takes } = readModule(
      'src/a.ts',
      `import { b } from './b'; import type { C } from './c'; import { type D } from '../d';
       export { e as other } from './e'; const f = () => require('./f'); import 'node:fs';`,
    );
    expect([...loads]).toEqual(['src/b.ts', 'src/e.ts']);
    expect(takes).toEqual(
      new Map(
        Object.entries({
          'src/b.ts': 'b',
          'src/c.ts': 'C',
          'd.ts': 'D',
          'src/e.ts': 'e',
          'src/f.ts': '*',
        }).map(([file, name]) => [file, new Set([name])]),
      ),
    );
  });

  test('finds a circle of any length, and no other', () => {
    const modules = Object.entries({ a: 'b', b: 'c', c: 'b', d: 'a' }).map(([name, loaded]) =>
      readModule(`${name}.ts`, `import { x } from './${loaded}';`),
    );
    expect(cyclesIn(modules)).toEqual([['b.ts', 'c.ts']]);
  });

  test('finds values and types that nobody uses', () => {
    const given = readModule(
      'a.ts',
      `export const used = 1; export function unused(): Named { return 1; }
       export type Named = number; export interface Alone { a: 1 } export class Lost {}`,
    );
    const user = readModule('b.ts', `import { used } from './a';`);
    expect(unusedExports([given], [given, user])).toEqual(['a.ts: unused', 'a.ts: Alone', 'a.ts: Lost']);
  });
});
