import { commandTree } from '../../../src/cli/lib/command-tree';
import { createProgram } from '../../../src/cli/program';

const whole = commandTree(createProgram());

/** All that help and completion show of a command. */
function shown(path: string, called: readonly string[]): unknown {
  const { command, verbs, options, choices } = commandTree(createProgram(called)).find(
    (node) => node.path === path,
  )!;
  return { verbs, options, choices, help: command.helpInformation() };
}

test.each(whole.map(({ path }) => path).filter((path) => path !== ''))(
  '%s, loaded alone, is what the whole program has under this name',
  (path) => {
    expect(shown(path, path.split(' '))).toEqual(shown(path, []));
  },
);

test('of a verb that is called no other is loaded, of a group none of its others', () => {
  const paths = (...called: string[]): string[] => commandTree(createProgram(called)).map(({ path }) => path);
  expect(paths('totals', 'acme')).toEqual(['', 'totals']);
  expect(paths('invoices', 'show', 'acme-2026-10')).toEqual(['', 'invoices', 'invoices show']);
});

test.each([['--help'], ['help', 'totals'], ['invoises'], ['constructor']])(
  '%j %j finds the whole program',
  (...called) => {
    expect(commandTree(createProgram(called))).toHaveLength(whole.length);
  },
);
