import { Command } from 'commander';
import { addVerbs } from '../../../verbs';

const VERBS = ['list', 'show', 'pdf', 'csv', 'preview'];

export function verb(called: readonly string[]): Command {
  const group = new Command('invoices')
    .description('Issued invoices and credit notes, and what the open month would cost now.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman invoices list --month 2026-10
  tallyman invoices show acme-2026-10
  tallyman invoices preview acme`,
    );
  return addVerbs(group, 'invoices-', VERBS, called);
}
