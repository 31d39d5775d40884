/**
 * A column of a CSV file. A spreadsheet must not take a text such as `=HYPERLINK(...)` for a
 * formula, so it gets an apostrophe. A column of numbers or of our own words is `exact`.
 */
export type CsvColumn<Row> = readonly [name: string, of: (row: Row) => string, kind?: 'exact'];

/** The row of names. CSV here is RFC 4180: commas, CRLF, doubled quotes. */
export function csvHeader<Row>(columns: readonly CsvColumn<Row>[]): string {
  return rowText(columns.map(([name]) => name));
}

export function csvRows<Row>(columns: readonly CsvColumn<Row>[], rows: readonly Row[]): string {
  const cellOf = (row: Row, [, of, kind]: CsvColumn<Row>): string =>
    kind === 'exact' ? of(row) : harmless(of(row));
  return rows.map((row) => rowText(columns.map((column) => cellOf(row, column)))).join('');
}

const rowText = (cells: readonly string[]): string => `${cells.map(quoted).join(',')}\r\n`;

function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
