import { Command } from 'commander';
import { addVerbs, type VerbFile, type Verbs } from '../../../verbs';

/* eslint-disable @typescript-eslint/no-require-imports -- as in program.ts */
const VERBS: Verbs = {
  list: () => require('./list') as VerbFile,
  show: () => require('./show') as VerbFile,
  pdf: () => require('./pdf') as VerbFile,
  csv: () => require('./csv') as VerbFile,
  preview: () => require('./preview') as VerbFile,
};
/* eslint-enable @typescript-eslint/no-require-imports */

export function verb(called: readonly string[]): Command {
  const group = new Command('invoices')
    .description('List, show and export invoices and credit notes; preview the open month.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman invoices list --month 2026-10
  tallyman invoices show acme-2026-10
  tallyman invoices preview acme`,
    );
  return addVerbs(group, VERBS, called);
}
