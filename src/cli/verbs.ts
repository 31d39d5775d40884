import type { Command } from 'commander';

/** What the file of a verb exports. A group takes the words behind its own, to find which of its verbs was called. */
interface VerbFile {
  verb(called: readonly string[]): Command;
}

/**
 * Adds the verb that was called; all of them where none was: for help, for completion, and to suggest the nearest to a
 * wrong word. To load every verb with its libraries takes ten times as long as to read a total.
 *
 * @param names of the verbs; each is what the file `<stem><name>` exports
 * @param called the words behind the command's own
 */
export function addVerbs(
  command: Command,
  stem: string,
  names: readonly string[],
  called: readonly string[],
): Command {
  const [name = '', ...rest] = called;
  for (const wanted of names.includes(name) ? [name] : names) {
    // `import()` would start the loader of ES modules as well.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    command.addCommand((require(`./${stem}${wanted}`) as VerbFile).verb(rest));
  }
  return command;
}
