import { Command } from 'commander';
import { addVerbs, type VerbFile, type Verbs } from '../../../verbs';

/* eslint-disable @typescript-eslint/no-require-imports -- as in program.ts */
const VERBS: Verbs = {
  set: () => require('./set') as VerbFile,
  show: () => require('./show') as VerbFile,
  compare: () => require('./compare') as VerbFile,
  import: () => require('./import') as VerbFile,
  list: () => require('./list') as VerbFile,
};
/* eslint-enable @typescript-eslint/no-require-imports */

export function verb(called: readonly string[]): Command {
  const group = new Command('projects')
    .description('Set, import, list and compare the plans and profiles of projects.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman projects list
  tallyman projects set acme --plan ship --from 2026-10-01`,
    );
  return addVerbs(group, VERBS, called);
}
