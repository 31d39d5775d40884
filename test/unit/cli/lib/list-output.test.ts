import { Command } from 'commander';
import { commandTree } from '../../../../src/cli/lib/command-tree';
import { withOutput, type OutputOptions } from '../../../../src/cli/lib/list-output';
import { createProgram } from '../../../../src/cli/program';

/** What a verb that prints a list takes these words for; undefined if it did not run. */
async function outputOf(...words: string[]): Promise<string | undefined> {
  let output: string | undefined;
  const list = withOutput(new Command('list').exitOverride().configureOutput({ writeErr: () => undefined }));
  list.action((options: OutputOptions) => {
    output = options.output;
  });
  await list.parseAsync(words, { from: 'user' });
  return output;
}

test.each([
  [[], 'table'],
  [['--json'], 'json'],
  [['--output', 'csv'], 'csv'],
  [['--output=json'], 'json'],
  [['--json', '--output', 'json'], 'json'],
])('%j prints %s', async (words, output) => {
  expect(await outputOf(...words)).toBe(output);
});

test.each([['table'], ['csv']])(
  '--json and --output %s contradict each other, in either order',
  async (output) => {
    const refusal = {
      code: 'BAD_ARGUMENTS',
      message: `--json and --output ${output} contradict each other: use one of them.`,
    };
    await expect(outputOf('--json', '--output', output)).rejects.toMatchObject(refusal);
    await expect(outputOf('--output', output, '--json')).rejects.toMatchObject(refusal);
  },
);

test('another format is refused with those that there are', async () => {
  await expect(outputOf('--output', 'xml')).rejects.toThrow(
    "argument 'xml' is invalid. Allowed choices are table, json, csv.",
  );
});

test('each verb that prints a list has the option, beside --json', () => {
  const verbs = commandTree(createProgram()).filter(({ options }) =>
    options.some(({ flags }) => flags.includes('--output')),
  );
  expect(verbs.map(({ path }) => path).sort()).toEqual([
    'alerts list',
    'dead-letters list',
    'doctor',
    'explain',
    'invoices list',
    'keys',
    'projects compare',
    'projects list',
    'size',
    'totals',
    'verify',
  ]);
  for (const { options } of verbs) {
    const found = options.find(({ flags }) => flags.includes('--output'));
    expect(found?.choices).toEqual(['table', 'json', 'csv']);
    expect(options.some(({ flags }) => flags.includes('--json'))).toBe(true);
  }
});
