import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { allBreaches, breachesOf, filesOf, importsOf, LAYERS, sourceFiles, writesOf } from './layers';

/**
 * More than a newcomer takes in at one look. A scenario's folder is a list, which is read for one
 * name.
 */
const FILES_PER_FOLDER_MAX = { src: 12, consumers: 12, test: 16 };
/** Folders of unit tests whose subject is elsewhere. */
const NOT_OF_SOURCES = ['bench', 'deploy', 'docs', 'rules', 'schemas'];

test('no source file imports what its room may not', () => {
  expect(allBreaches()).toEqual([]);
});

test('the layers name the rooms that exist, each once', () => {
  const rooms = readdirSync('src', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `src/${name}`);
  expect([...LAYERS].sort()).toEqual([...rooms, 'consumers'].sort());
});

test('the command line writes to neither store by itself', () => {
  const verbs = filesOf('src').filter((file) => file.startsWith('src/cli/'));
  expect(verbs.flatMap((file) => writesOf(readFileSync(file, 'utf8')))).toEqual([]);
  expect(writesOf("await store.redis.set('a', 'b');\nawait initCursor(store, 0, 'a', 1);")).toHaveLength(2);
});

test.each(Object.entries(FILES_PER_FOLDER_MAX))('no folder of %s holds more than %d files', (root, most) => {
  const counts = new Map<string, number>();
  for (const file of filesOf(root)) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  expect([...counts].filter(([, count]) => count > most)).toEqual([]);
});

test('the folders of unit tests are those of the sources, and a test named for a source lies where it does', () => {
  const sources = sourceFiles().map((file) => file.replace(/^src\//, ''));
  const tests = filesOf('test/unit').map((file) => file.slice('test/unit/'.length));
  const misplaced = tests.filter((file) => {
    const folder = dirname(file);
    if (NOT_OF_SOURCES.includes(folder)) return false;
    const source = basename(file).replace(/(\.property)?\.test\.ts$/, '.ts');
    const places = sources.filter((path) => basename(path) === source).map((path) => dirname(path));
    return places.length > 0 ? !places.includes(folder) : !existsSync(`src/${folder}`) && !existsSync(folder);
  });
  expect(misplaced).toEqual([]);
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
    ['src/billing/pricing/price-month.ts', '../../redis/store'],
    ['src/billing/pricing/price-month.ts', '../../lib/config'],
    ['consumers/session.ts', '../src/ingest/consumer'],
    ['src/redis/store.ts', '../close/close-month'],
    ['src/close/close-month.ts', '../cli/lib/output'],
    ['src/redis/store.ts', 'kafkajs'],
    ['src/ingest/consumer.ts', 'ioredis'],
    ['src/cli/verbs/usage/totals.ts', 'ioredis'],
    ['src/kafka/topics/topics.ts', '../../redis/store'],
    ['src/redis/store.ts', '../unlisted/file'],
  ])('%s must not import %s', (file, imported) => {
    expect(breachesOf(file, `import x from '${imported}';`)).toHaveLength(1);
  });

  test.each([
    ['src/rating/rate.ts', './rounding'],
    ['src/billing/pricing/decimal.ts', 'decimal.js'],
    ['src/billing/pricing/price-month.ts', '../../lib/errors'],
    ['src/ingest/consumer.ts', '../redis/store'],
    ['src/kafka/client.ts', 'kafkajs'],
    ['src/cli/verbs/usage/totals.ts', '../../../redis/usage/read-usage'],
    ['consumers/session.ts', '../src/rating/meters'],
    ['src/redis/views/projects.ts', '../../../schemas/types'],
  ])('%s may import %s', (file, imported) => {
    expect(breachesOf(file, `import x from '${imported}';`)).toEqual([]);
  });
});
