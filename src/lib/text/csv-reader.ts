/** A row of a CSV file with the line it begins on, from 1. */
export interface CsvRow {
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * Reads CSV (RFC 4180: commas; fields in double quotes may hold commas, line ends and doubled
 * quotes), row by row, with LF or CRLF. Empty lines are left out. If a quote is never closed, the
 * rest of the file is one field.
 */
export async function* readCsv(chunks: AsyncIterable<string>): AsyncGenerator<CsvRow, void, undefined> {
  let fields: string[] = [];
  let field = '';
  let state: 'start' | 'plain' | 'quoted' | 'quote' = 'start';
  let line = 1;
  let begunOn = 1;
  const endField = (): void => {
    fields.push(field);
    field = '';
    state = 'start';
  };
  const endRow = (): CsvRow | undefined => {
    endField();
    const row = { line: begunOn, fields };
    fields = [];
    return row.fields.length === 1 && row.fields[0] === '' ? undefined : row;
  };
  for await (const chunk of chunks) {
    for (const character of chunk) {
      if (character === '\n') line += 1;
      if (state === 'quoted') {
        if (character === '"') state = 'quote';
        else field += character;
      } else if (character === '"' && state !== 'plain') {
        if (state === 'quote') field += '"';
        state = 'quoted';
      } else if (character === ',') endField();
      else if (character === '\n') {
        if (field.endsWith('\r')) field = field.slice(0, -1);
        const row = endRow();
        if (row !== undefined) yield row;
        begunOn = line;
      } else {
        field += character;
        if (state === 'start') state = 'plain';
      }
    }
  }
  if (field.endsWith('\r')) field = field.slice(0, -1);
  const last = endRow();
  if (last !== undefined) yield last;
}
