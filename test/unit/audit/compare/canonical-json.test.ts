import { fc, test as property } from '@fast-check/jest';
import { digestOf } from '../../../../src/audit/compare/canonical-json';

property.prop([fc.jsonValue()])('the same however it was written', (value) => {
  const shuffled = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(shuffled);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(
      Object.entries(one)
        .reverse()
        .map(([name, field]) => [name, shuffled(field)]),
    );
  };
  const copy = JSON.parse(JSON.stringify(shuffled(value), null, 2)) as unknown;
  expect(digestOf(copy)).toBe(digestOf(JSON.parse(JSON.stringify(value))));
});

test.each([
  ['1', '"1"'],
  ['null', '{}'],
  ['[1,2]', '[2,1]'],
  ['{"a":1}', '{"a":1,"b":null}'],
  ['{"__proto__":1}', '{}'],
  ['{"a":{"b":1}}', '{"b":{"a":1}}'],
  ['{"object":[["a",1]]}', '{"a":1}'],
])('%s is not %s', (one, other) => {
  expect(digestOf(JSON.parse(one))).not.toBe(digestOf(JSON.parse(other)));
});

test('nested too deep to be walked, it is like nothing', () => {
  const deep = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)) as unknown;
  expect(digestOf(deep)).toBeUndefined();
});
