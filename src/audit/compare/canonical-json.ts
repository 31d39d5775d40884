import { createHash } from 'node:crypto';

/**
 * A digest of a JSON value that does not depend on how the value was written: the order of fields,
 * blanks, `5.0` for `5`. A value that is nested too deep never equals the one that it is compared
 * with.
 */
export function digestOf(value: unknown): string | undefined {
  try {
    return createHash('sha256')
      .update(JSON.stringify(sorted(value)))
      .digest('base64');
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Fields as a list of pairs, so that a field called `__proto__` stays a field, and one called `0`
 * does not move to the front.
 */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { object: pairs.map(([name, field]) => [name, sorted(field)]) };
}
