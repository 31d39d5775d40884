import { readFileSync } from 'node:fs';
import { commandTree } from '../../../src/cli/lib/command-tree';
import { createProgram } from '../../../src/cli/program';
import type { Command } from 'commander';

const verbs = commandTree(createProgram()).filter(({ path }) => path !== '');

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

test.each(verbs.map(({ path, command }) => [path, command] as const))(
  'the help of %s has a description and examples that call it',
  (path, command) => {
    expect(command.description()).toMatch(/\.$/);
    const [, examples = ''] = helpOf(command).split('\nExamples:\n');
    expect(examples).toContain(`tallyman ${path}`);
  },
);

test('the README names every verb', () => {
  const readme = readFileSync('README.md', 'utf8');
  const named = new Set([...readme.matchAll(/^\| (`.*`) \|/gm)].flatMap(([, row]) => row!.match(/[a-z-]+/g)));
  expect(verbs.map(({ path }) => path).filter((path) => !path.includes(' ') && !named.has(path))).toEqual([]);
});

test.each([
  [['invoises'], 'Did you mean invoices?'],
  [['invoices', 'lst'], 'Did you mean list?'],
  [['totals', 'acme', '--jsn'], 'Did you mean --json?'],
])('%j is wrong usage, and the nearest word is suggested', async (words, suggestion) => {
  const program = createProgram();
  let told = '';
  for (const { command } of commandTree(program))
    command.configureOutput({ writeErr: (text) => (told += text) });
  await expect(program.parseAsync(words, { from: 'user' })).rejects.toMatchObject({ exitCode: 1 });
  expect(told).toContain(suggestion);
});
