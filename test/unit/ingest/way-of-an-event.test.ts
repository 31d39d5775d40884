import { readFileSync } from 'node:fs';

const HOP = /^ \* +(\d+)\. (\S+) +(\w+) {2,}\S/gm;

test('the map of the way of an event names files and functions that exist, in order', () => {
  const hops = [...readFileSync('src/ingest/run-consumers.ts', 'utf8').matchAll(HOP)];
  expect(hops.map(([, number]) => Number(number))).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
  for (const [, , file, name] of hops) {
    const defined = new RegExp(`(function |const |async |^ {2})${name}\\(`, 'm');
    expect({ file, name, isDefined: defined.test(readFileSync(file!, 'utf8')) }).toEqual({
      ...{ file, name, isDefined: true },
    });
  }
});
