import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Phrases that slow a reader down, with what to write instead. Each is one that a machine finds
 * without false alarms.
 */
const PATTERNS: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /(?<!\bthere )\bis no (?!longer\b|more\b|less\b)/i, instead: '"is not a ..."' },
  { pattern: /\b(?:is|are) none of\b/i, instead: '"is not one of ..."' },
  { pattern: /\b(?:for so (?:long|many)|so many (?!that\b|as\b))/i, instead: '"at most N", "this long"' },
  { pattern: /\banew\b/i, instead: '"again", "recreated"' },
  { pattern: /\bmade again\b/i, instead: '"rebuilt", "recreated"' },
  { pattern: /\bput(?:s)? back\b/i, instead: '"restore"' },
  { pattern: /\bmend(?:s|ed|ing)?\b/i, instead: '"fix", "correct"' },
  {
    pattern: /(?:^|[.:;] |\/\*\* |\* |\/\/ |['"`])Of (?:a|an|the|each|every|all|those|these|what)\b/,
    instead: 'a subject',
  },
];
const ROOTS = ['src', 'consumers', 'schemas', 'bench', 'deploy', 'integrations', 'docs', 'test'];
const PAGES = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
/** This file quotes the phrases. */
const SELF = 'test/unit/rules/english.test.ts';
/** The titles of cases as they were called when the results were written. */
const RESULTS = /<!-- fault results: begin -->[^]*<!-- fault results: end -->/;
const READ = /\.(ts|m?js|py|lua|md|ya?ml|sh)$|^schemas\/.*\.json$/;

const files = [
  ...PAGES,
  ...ROOTS.flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .map((name) => join(root, name))
      .filter((path) => READ.test(path) && path !== SELF),
  ),
];

const findingsIn = (path: string, text: string): string[] =>
  text
    .replace(RESULTS, (table) => table.replace(/.+/g, ''))
    .split('\n')
    .flatMap((line, index) =>
      PATTERNS.filter(({ pattern }) => pattern.test(line)).map(
        ({ instead }) => `${path}:${index + 1}: write ${instead}: ${line.trim()}`,
      ),
    );

test('comments, messages, documents and tests keep to the English of the house', () => {
  expect(files.length).toBeGreaterThan(250);
  expect(files.flatMap((path) => findingsIn(path, readFileSync(path, 'utf8')))).toEqual([]);
});

test.each([
  'a topic is no ledger',
  'the cursor is none of ours',
  'waits for so long',
  'begins anew',
  'an invoice is made again',
  'a freeze is put back',
  'until it is mended',
  '// Of a field given twice the last counts.',
])('"%s" is found', (line) => {
  expect(findingsIn('file.ts', line)).toHaveLength(1);
});

test.each(['there is no invoice', 'it is no longer there', 'so many that they overflow', 'Office hours'])(
  '"%s" is good',
  (line) => {
    expect(findingsIn('file.ts', line)).toEqual([]);
  },
);
