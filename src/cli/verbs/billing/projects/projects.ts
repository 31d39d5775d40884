import { Command } from 'commander';
import { addVerbs } from '../../../verbs';

const VERBS = ['set', 'show', 'compare', 'import', 'list'];

export function verb(called: readonly string[]): Command {
  const group = new Command('projects').description('Plans and profiles of projects.').addHelpText(
    'after',
    `
Examples:
  tallyman projects list
  tallyman projects set acme --plan ship --from 2026-10-01`,
  );
  return addVerbs(group, 'projects-', VERBS, called);
}
