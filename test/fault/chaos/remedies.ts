/** What a message tells its reader to type, in the order of the message. */
export interface Remedy {
  /** The words after `tallyman`; none for the emptying of Redis. */
  readonly words: readonly string[];
  /** The reader is told to empty Redis first. */
  readonly emptiesRedis: boolean;
}

/** Takes the commands out of an error or of a finding of the doctor. */
export function remediesIn(text: string): Remedy[] {
  const emptiesRedis = /\bempt(?:y|ies) (?:this |the |that )?Redis\b|redis-cli FLUSH(?:ALL|DB)/i.test(text);
  const commands = [
    ...text.matchAll(/\btallyman ((?:init|rebuild|close|projects set|verify|doctor)\b(?: \d{4}-\d\d)?)/g),
  ];
  return commands.map(([, command = '']) => ({ words: command.split(' '), emptiesRedis }));
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
