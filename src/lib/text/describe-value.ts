const LENGTH_MAX = 80;

/**
 * A value for a message: one line, and short whatever was sent. Lists and objects are only named,
 * because printing one that is nested a hundred thousand levels deep would overflow the stack.
 */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return shortened(JSON.stringify(value.slice(0, LENGTH_MAX)));
  // JSON cannot represent Infinity, which is the value of 1e400.
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (value instanceof Uint8Array) return 'bytes that are not text';
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** A text of at most `most` UTF-16 units. */
export function shortened(text: string, most = LENGTH_MAX): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
