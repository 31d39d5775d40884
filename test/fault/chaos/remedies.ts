const COMMAND =
  /\btallyman ((?:init|rebuild --empty|rebuild|close|projects set|verify|doctor)\b(?: \d{4}-\d\d)?)/g;

/**
 * The commands that an error or a finding of the doctor tells its reader to type: the words of each
 * after `tallyman`.
 */
export function remediesIn(text: string): string[][] {
  return [...text.matchAll(COMMAND)].map(([, command = '']) => command.split(' '));
}

/** The last line of an error: what a person reads. */
export function errorLine(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.startsWith('tallyman: '));
  return lines.at(-1) ?? '';
}

/** `[REBUILD_UNFINISHED]` at its end. */
export function codeOf(stderr: string): string {
  return /\[([A-Z_]+)\]\s*$/.exec(errorLine(stderr))?.[1] ?? '';
}

/** Nobody who types a verb is shown where in the program it ended. */
export function stackIn(stderr: string): string | undefined {
  return /^.*\n\s+at .*:\d+:\d+\)?$/m.exec(stderr)?.[0];
}
