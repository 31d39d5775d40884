import { open, rm } from 'node:fs/promises';
import { refusesColour } from '../../lib/config';
import { TallymanError } from '../../lib/errors';
export { groupDigits } from '../../lib/text/number-text';

/** A verb writes its result to stdout: as one JSON document for scripts, or as text for people. */

export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/**
 * Writes a file that the user named. If the disk is full, no part of it is left behind.
 *
 * @throws TallymanError `FILE_UNUSABLE`, or what opening the file throws
 */
export async function writeOutput(
  file: string,
  data: string | Uint8Array,
  flag: 'w' | 'wx' = 'w',
): Promise<void> {
  const handle = await open(file, flag);
  try {
    await handle.writeFile(data);
  } catch (error) {
    if ((await handle.stat()).isFile()) await rm(file, { force: true });
    throw new TallymanError(
      'FILE_UNUSABLE',
      `Cannot write ${file}: ${(error as Error).message}. Check the free space.`,
      { file },
      { cause: error },
    );
  } finally {
    await handle.close();
  }
}

/** What is not the result: it must not reach the next program of a pipe. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`);
}

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string;
  readonly align?: 'left' | 'right';
}

/** A plain table. Columns are as wide as their widest cell, and numbers are right-aligned. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.of(row))));
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...cells.map((row) => row[at]?.length ?? 0)),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) =>
        columns[at]?.align === 'right' ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [
    line(columns.map((column) => column.title)),
    line(widths.map((width) => '-'.repeat(width))),
    ...cells.map(line),
  ]
    .map((text) => `${text}\n`)
    .join('');
}

export function printTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void {
  process.stdout.write(formatTable(columns, rows));
}

/**
 * Control characters come from producers' data. Shown as they are, they could rewrite an operator's
 * terminal.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const TONES = { bad: '\u001b[31m', careful: '\u001b[33m', faint: '\u001b[2m' };
export type Tone = keyof typeof TONES;

/** Colors what must catch the eye, on a terminal only, unless the user wants no colors. */
export function toned(
  tone: Tone | undefined,
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  if (tone === undefined || !stream.isTTY || refusesColour()) return text;
  return `${TONES[tone]}${text}\u001b[0m`;
}
