#!/usr/bin/env node
import './early-stop';
import { CommanderError } from 'commander';
import { printsStacks } from '../lib/config';
import { EXIT } from '../lib/error-codes';
import { TallymanError } from '../lib/errors';
import { describeError } from './lib/describe-error';
import { toned } from './lib/output';
import { createProgram } from './program';

/** Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  return describeError(error).exit;
}

function report(error: unknown): void {
  if (error instanceof CommanderError) return; // Commander has printed it.
  const told = describeError(error);
  const name = toned('bad', 'tallyman:', process.stderr);
  process.stderr.write(`${name} ${told.message} [${told.code}]\n`);
  if (told !== error && printsStacks())
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}

function end(error: unknown): never {
  report(error);
  process.exit(exitCodeOf(error));
}

// A reader that goes away (`tallyman ... | head`) is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  end(
    new TallymanError(
      'FILE_UNUSABLE',
      `Cannot write to stdout: ${error.message}. Check the free space where the output goes.`,
      {},
      { cause: error },
    ),
  );
});
// Nothing else can be told where stderr cannot be written.
process.stderr.on('error', () => undefined);
process.on('uncaughtException', end);

// A client that lost its server may keep timers for a while: an error has nothing to wait for.
createProgram(process.argv.slice(2)).parseAsync(process.argv).catch(end);
