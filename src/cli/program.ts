import { Command } from 'commander';
import { addVerbs } from './verbs';

/** In the order of the help. */
const VERBS = [
  'init',
  'consume',
  'publish',
  'totals',
  'catalog',
  'projects',
  'close',
  'invoices',
  'explain',
  'dead-letters',
  'alerts',
  'keys',
  'rebuild',
  'verify',
  'top',
  'doctor',
  'serve',
  'token',
  'completion',
];
const AFTER_ERROR = 'Run with --help for the options and examples.';

/**
 * The command line, without running it: completion and tests walk it.
 *
 * @param called the words behind the program's name, of which only the verb is loaded; without any it is whole
 */
export function createProgram(called: readonly string[] = []): Command {
  const program = new Command('tallyman')
    .description('Exact monthly usage totals and invoices from usage events on Kafka.')
    .showHelpAfterError(AFTER_ERROR)
    .exitOverride();
  addVerbs(program, '', VERBS, called).commands.forEach(inheritExitOverride);
  return program;
}

/** Commander ends the process by itself unless each command, not only the program, is told to throw. */
function inheritExitOverride(command: Command): void {
  command.exitOverride().showHelpAfterError(AFTER_ERROR);
  command.commands.forEach(inheritExitOverride);
}
