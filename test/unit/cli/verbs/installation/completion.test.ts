import { execFileSync, spawnSync } from 'node:child_process';
import { bashCompletion, fishCompletion, zshCompletion } from '../../../../../src/cli/lib/completion-scripts';
import { commandTree } from '../../../../../src/cli/lib/command-tree';
import { createProgram } from '../../../../../src/cli/program';

const tree = commandTree(createProgram());
const bash = bashCompletion(tree);

/** What a real bash offers for a command line; the last word is the one being completed. */
function offered(...words: string[]): string[] {
  const script = `${bash}
COMP_WORDS=(tallyman "$@"); COMP_CWORD=$#
_tallyman
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const answer = execFileSync('bash', ['--norc', '-c', script, 'bash', ...words], { encoding: 'utf8' });
  return answer.split('\n').filter((line) => line !== '');
}

test('bash reads the script', () => {
  expect(spawnSync('bash', ['-n'], { input: bash })).toMatchObject({ status: 0, stderr: Buffer.from('') });
});

test('bash finds the function by the name of the command', () => {
  const registered = execFileSync('bash', ['--norc', '-c', `${bash}\ncomplete -p tallyman`], {
    encoding: 'utf8',
  });
  expect(registered.trim()).toBe('complete -o default -F _tallyman tallyman');
});

test.each([
  [['inv'], ['invoices']],
  [
    ['invoices', 'p'],
    ['pdf', 'preview'],
  ],
  [['invoices', 'show', '--j'], ['--json']],
  [['consume', 'ses'], ['session']],
  [['consume', 'session', 'tr'], ['transfer']],
  [
    ['init', '--from', ''],
    ['earliest', 'latest'],
  ],
  [['token', 'acme', '--role', 'm'], ['member']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['projects', 'set', 'list', '--bud'], ['--budget']],
  [['projects', 'set', 'acme', '--name', ''], []],
  [['publish', 'usage'], []],
])('%j completes to %j', (words, expected) => {
  expect(offered(...words)).toEqual(expected);
});

test('every verb of the program is offered', () => {
  const [program] = tree;
  expect(offered('').sort()).toEqual(program!.verbs.map(({ name }) => name).sort());
});

test('what the other shells get names every verb and option, and quotes what they would expand', () => {
  for (const script of [zshCompletion(tree), fishCompletion(tree)]) {
    for (const { path, options } of tree) {
      expect(script).toContain(path);
      for (const { flags } of options)
        for (const flag of flags) expect(script).toContain(flag.replace(/^--?/, ''));
    }
    expect(script).not.toMatch(/undefined|\[object/);
  }
});

/** The shells that a machine may lack check their own scripts where they are. */
test.each([
  ['zsh', zshCompletion(tree)],
  ['fish', fishCompletion(tree)],
])('%s, where it is installed, reads the script', (shell, script) => {
  const { error, status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
  if (error !== undefined) expect(error).toMatchObject({ code: 'ENOENT' });
  else expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
