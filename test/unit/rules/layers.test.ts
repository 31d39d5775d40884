import { allBreaches, breachesOf, importsOf } from './layers';

test('no source file imports what its layer may not', () => {
  expect(allBreaches()).toEqual([]);
});

describe('the reader of imports itself', () => {
  test('sees every form of import', () => {
    const source = `
      import a from 'a'; import type { B } from 'b'; export * from 'c';
      const d = require('d'); const e = await import('e'); // import 'not this'
      const text = "import 'nor this'";`;
    expect(importsOf(source)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test.each([
    ['src/rating/rate.ts', 'node:fs'],
    ['src/rating/rate.ts', 'ajv'],
    ['src/billing/pricing/price-month.ts', '../totals/read'],
    ['src/billing/pricing/price-month.ts', '../config'],
    ['consumers/session.ts', '../src/stream/runner'],
    ['src/redis/usage/read-usage.ts', '../close/barrier'],
    ['src/ingest/wait-for-cursors.ts', '../cli/output'],
    ['src/redis/usage/read-usage.ts', 'kafkajs'],
    ['src/ingest/consumer.ts', 'ioredis'],
    ['src/cli/verbs/usage/totals.ts', 'ioredis'],
  ])('%s must not import %s', (file, imported) => {
    expect(breachesOf(file, `import x from '${imported}';`)).toHaveLength(1);
  });

  test.each([
    ['src/rating/rate.ts', './rounding'],
    ['src/billing/pricing/decimal.ts', 'decimal.js'],
    ['src/billing/pricing/price-month.ts', '../errors'],
    ['src/ingest/consumer.ts', '../totals/apply'],
    ['src/kafka/client.ts', 'kafkajs'],
    ['src/cli/verbs/usage/totals.ts', '../totals/read'],
    ['consumers/session.ts', '../src/rating/meters'],
  ])('%s may import %s', (file, imported) => {
    expect(breachesOf(file, `import x from '${imported}';`)).toEqual([]);
  });
});
