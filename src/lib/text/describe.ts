const LENGTH_MAX = 80;

/**
 * A value as it may stand in a message: one line, short whatever was sent. Lists and objects are only named: to print
 * one that is nested a hundred thousand deep would overflow the stack.
 */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return shortened(JSON.stringify(value.slice(0, LENGTH_MAX)));
  // JSON has no word for the infinity that 1e400 is read as.
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (value instanceof Uint8Array) return 'bytes that are no text';
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** A text of at most `most` UTF-16 units. */
export function shortened(text: string, most = LENGTH_MAX): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
