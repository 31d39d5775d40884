import type { Command } from 'commander';

/**
 * What the file of a verb exports. A group gets the words after its own, to find which of its verbs
 * was called.
 */
export interface VerbFile {
  verb(called: readonly string[]): Command;
}

/** Verb -> a function that loads its file, in the order of the help. */
export type Verbs = Readonly<Record<string, () => VerbFile>>;

/**
 * Adds the verb that was called. If none was called, adds all of them: for the help, for
 * completion, and to suggest the nearest verb for a misspelled one. Loading every verb with its
 * libraries takes ten times as long as reading a total.
 *
 * @param called the words after the command's own
 */
export function addVerbs(command: Command, verbs: Verbs, called: readonly string[]): Command {
  const [name = '', ...rest] = called;
  const wanted = Object.hasOwn(verbs, name) ? [verbs[name]!] : Object.values(verbs);
  for (const load of wanted) command.addCommand(load().verb(rest));
  return command;
}
