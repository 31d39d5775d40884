#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { RefusedError, TallymanError, UsageError } from '../errors';
import { catalogVerb } from './catalog';
import { closeVerb } from './close';
import { consumeVerb } from './consume';
import { deadLettersVerb } from './dead-letters';
import { doctorVerb } from './doctor';
import { explainVerb } from './explain';
import { initVerb } from './init';
import { invoicesVerb } from './invoices';
import { keysVerb } from './keys';
import { projectsVerb } from './projects';
import { publishVerb } from './publish';
import { rebuildVerb } from './rebuild';
import { serveVerb } from './serve';
import { tokenVerb } from './token';
import { totalsVerb } from './totals';
import { verifyVerb } from './verify';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_REFUSED = 3;

function createProgram(): Command {
  const program = new Command('tallyman')
    .description('Exact monthly usage totals and invoices from usage events on Kafka.')
    .showHelpAfterError('Run with --help for the options and examples.')
    .exitOverride();
  const verbs = [
    initVerb(),
    consumeVerb(),
    publishVerb(),
    totalsVerb(),
    catalogVerb(),
    projectsVerb(),
    closeVerb(),
    invoicesVerb(),
    explainVerb(),
    deadLettersVerb(),
    keysVerb(),
    rebuildVerb(),
    verifyVerb(),
    doctorVerb(),
    serveVerb(),
    tokenVerb(),
  ];
  for (const verb of verbs) program.addCommand(inheritExitOverride(verb));
  return program;
}

/** Commander ends the process by itself unless each command, not only the program, is told to throw. */
function inheritExitOverride(command: Command): Command {
  command.exitOverride().showHelpAfterError('Run with --help for the options and examples.');
  command.commands.forEach(inheritExitOverride);
  return command;
}

/** Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof UsageError) return EXIT_USAGE;
  if (error instanceof RefusedError) return EXIT_REFUSED;
  return EXIT_FAILED;
}

function report(error: unknown): void {
  if (error instanceof CommanderError) return; // Commander has printed it.
  if (error instanceof TallymanError) {
    process.stderr.write(`tallyman: ${error.message} [${error.code}]\n`);
    return;
  }
  process.stderr.write(
    `tallyman: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}

// A reader that goes away (`tallyman ... | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

createProgram()
  .parseAsync(process.argv)
  .catch((error: unknown) => {
    report(error);
    process.exitCode = exitCodeOf(error);
  });
