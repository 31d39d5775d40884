import fc from 'fast-check';
import { readCsv } from '../../../../src/lib/text/csv-reader';

async function rowsOf(...chunks: string[]): Promise<[number, ...string[]][]> {
  const rows: [number, ...string[]][] = [];
  const source = (async function* () {
    yield* chunks;
    await Promise.resolve();
  })();
  for await (const { line, fields } of readCsv(source)) rows.push([line, ...fields]);
  return rows;
}

test('rows with the lines they begin on; quotes keep commas, line ends and quotes', async () => {
  expect(await rowsOf('a,b\r\n\r\n"x, ""y""\nz",\n,"",q"q\nlast')).toEqual([
    [1, 'a', 'b'],
    [3, 'x, "y"\nz', ''],
    [5, '', '', 'q"q'],
    [6, 'last'],
  ]);
});

test('a quote that is not closed takes the rest', async () => {
  expect(await rowsOf('a\n"b,c\n')).toEqual([
    [1, 'a'],
    [2, 'b,c\n'],
  ]);
});

test('what is written as RFC 4180 says is read as it was, wherever the chunks end', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', '€') });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(text, { minLength: 2, maxLength: 3 }), { maxLength: 4 }),
      fc.nat(20),
      async (rows, cut) => {
        const file = rows
          .map((row) => `${row.map((field) => `"${field.replaceAll('"', '""')}"`).join(',')}\r\n`)
          .join('');
        const read = await rowsOf(file.slice(0, cut), file.slice(cut));
        expect(read.map(([, ...fields]) => fields)).toEqual(rows);
      },
    ),
  );
});
