import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The code blocks of a page of docs/ that are marked with a language, in order. */
export function codeBlocks(page: string, language: string): string[] {
  const text = readFileSync(join(__dirname, '../../docs', page), 'utf8');
  const blocks = [...text.matchAll(new RegExp('^```' + language + '\\n([\\s\\S]*?)^```$', 'gm'))];
  return blocks.map(([, code]) => code!);
}
