import { Command } from 'commander';
import { alertsVerb } from './alerts';
import { catalogVerb } from './catalog';
import { closeVerb } from './close';
import { completionVerb } from './completion';
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
import { topVerb } from './top';
import { totalsVerb } from './totals';
import { verifyVerb } from './verify';

const AFTER_ERROR = 'Run with --help for the options and examples.';

/** The command line, without running it: completion and tests walk it. */
export function createProgram(): Command {
  const program = new Command('tallyman')
    .description('Exact monthly usage totals and invoices from usage events on Kafka.')
    .showHelpAfterError(AFTER_ERROR)
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
    alertsVerb(),
    keysVerb(),
    rebuildVerb(),
    verifyVerb(),
    topVerb(),
    doctorVerb(),
    serveVerb(),
    tokenVerb(),
    completionVerb(),
  ];
  for (const verb of verbs) program.addCommand(inheritExitOverride(verb));
  return program;
}

/** Commander ends the process by itself unless each command, not only the program, is told to throw. */
function inheritExitOverride(command: Command): Command {
  command.exitOverride().showHelpAfterError(AFTER_ERROR);
  command.commands.forEach(inheritExitOverride);
  return command;
}
