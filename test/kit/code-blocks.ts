import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The code blocks of a page of docs/ that are marked with a language, in order. */
export function codeBlocks(page: string, language: string): string[] {
  const text = readFileSync(join(__dirname, '../../docs', page), 'utf8');
  const blocks = [...text.matchAll(new RegExp('^```' + language + '\\n([\\s\\S]*?)^```$', 'gm'))];
  return blocks.map(([, code]) => code!);
}

/** The rows of the table of a page of docs/ whose first heading is this one, as the cells' text. */
export function documentTable(page: string, heading: string): string[][] {
  const text = readFileSync(join(__dirname, '../../docs', page), 'utf8');
  const [, table = ''] = new RegExp(`^\\| ${heading} \\|.*\n\\|-.*\n((?:\\|.*\n)+)`, 'm').exec(text) ?? [];
  return table
    .trimEnd()
    .split('\n')
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}
