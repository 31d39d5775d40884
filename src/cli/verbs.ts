import type { Command } from 'commander';

/** What the file of a verb exports. A group takes the words behind its own, to find which of its verbs was called. */
export interface VerbFile {
  verb(called: readonly string[]): Command;
}

/** Verb -> what loads its file. In the order of the help. */
export type Verbs = Readonly<Record<string, () => VerbFile>>;

/**
 * Adds the verb that was called. If none was called, adds all of them: for help, for completion, and to suggest the
 * nearest to a misspelt one. Loading every verb with its libraries takes ten times as long as reading a total.
 *
 * @param called the words behind the command's own
 */
export function addVerbs(command: Command, verbs: Verbs, called: readonly string[]): Command {
  const [name = '', ...rest] = called;
  const wanted = Object.hasOwn(verbs, name) ? [verbs[name]!] : Object.values(verbs);
  for (const load of wanted) command.addCommand(load().verb(rest));
  return command;
}
