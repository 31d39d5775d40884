import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CatalogDocument } from '../../../src/billing/catalog/catalog';
import { builtInCatalogText, loadCatalog } from '../../../src/installation/catalog-file';
import { TallymanError } from '../../../src/lib/errors';
import { builtInDocument } from '../../kit/built-in-catalog';
import { thrownBy } from '../../kit/thrown-by';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'catalog-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const path = join(folder, 'catalog.json');
  writeFileSync(path, text);
  return path;
}

type Path = readonly (string | number)[];

/** What is wrong with a file of the built-in catalog in which other values stand in some places. */
function problemsOf(...changes: readonly (readonly [Path, unknown])[]): readonly string[] {
  const document = structuredClone(builtInDocument) as unknown;
  for (const [path, value] of changes) {
    const holder = path.slice(0, -1).reduce((at, step) => (at as Record<string, unknown>)[step], document);
    (holder as Record<string, unknown>)[path.at(-1)!] = value;
  }
  const error = thrownBy(() => loadCatalog(fileOf(JSON.stringify(document))));
  expect(error).toBeInstanceOf(TallymanError);
  expect(error).toMatchObject({ code: 'BAD_CATALOG' });
  return (error as TallymanError).fields['problems'] as string[];
}

test('a file is read like the built-in catalog', () => {
  const { catalog, document } = loadCatalog(fileOf(JSON.stringify({ ...builtInDocument, currency: 'EUR' })));
  expect(catalog.currency).toBe('EUR');
  expect((document satisfies CatalogDocument).plans).toHaveLength(3);
});

test('a file that is not there or no JSON is named', () => {
  const missing = thrownBy(() => loadCatalog(join(folder, 'none.json'))) as TallymanError;
  expect(missing.message).toMatch(/none\.json is not a valid catalog:\n {2}there is no such file$/);
  expect(thrownBy(() => loadCatalog(fileOf('{ "plans": ')))).toMatchObject({ code: 'BAD_CATALOG' });
});

test('every mistake is named at once, a value that fits no form of a price once', () => {
  expect(
    problemsOf([['plans', 1, 'fee'], 50], [['rates', 3, 'plans', 'ship'], '5e-4'], [['currency'], 'usd']),
  ).toEqual([
    expect.stringMatching(/^currency /),
    expect.stringMatching(/^plans\[1\] \(ship\)\.fee /),
    expect.stringMatching(/^rates\[3\] \(session\.webrtc\)\.plans\.ship is "5e-4"/),
  ]);
});

test('the file to start from is valid', () => {
  expect(loadCatalog(fileOf(builtInCatalogText())).document).toEqual(builtInDocument);
});

test.each<[string, Path, unknown, RegExp]>([
  ['a field is missing', ['plans'], undefined, /^plans is missing$/],
  ['money is a number', ['plans', 1, 'fee'], 50, /^plans\[1\] \(ship\)\.fee .*50/],
  [
    'a price has an exponent',
    ['rates', 3, 'plans', 'ship'],
    '5e-4',
    /^rates\[3\] \(session\.webrtc\)\.plans\.ship is "5e-4" and must be a decimal string/,
  ],
  [
    'a price is negative',
    ['inference', 'tts', 'models', 0, 'price'],
    '-1',
    /^inference\.tts\.models\[0\] \(cartesia\/sonic\)\.price is "-1" and must be a decimal/,
  ],
  [
    'a name is misspelt',
    ['allowances', 0, 'include'],
    {},
    /^allowances\[0\] \(Agent session minutes\): there is no field "include"$/,
  ],
])('%s: told with the row it is in', (_case, path, value, expected) => {
  expect(problemsOf([path, value])).toEqual([expect.stringMatching(expected)]);
});

test('what no schema sees is told all at once', () => {
  expect(
    problemsOf(
      [['rates', 0, 'from'], '2026-02-30'],
      [
        ['allowances', 3, 'meters'],
        ['session.webrtc', 'transfer.downstream'],
      ],
    ),
  ).toEqual([
    'allowances[3] (WebRTC participant minutes).meters: one quantity cannot count minute and GB',
    'allowances[8] (Downstream data transfer).meters: "transfer.downstream" is in "WebRTC participant minutes" too',
    'rates[0] (agent.session).from: "2026-02-30" is not a valid day: expected YYYY-MM-DD',
  ]);
});
