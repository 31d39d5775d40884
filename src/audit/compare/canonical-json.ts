import { createHash } from 'node:crypto';

/**
 * A digest of a JSON value that is the same however the value was written: fields in another order, other blanks, `5.0`
 * for `5`. A value nested too deep to be walked is taken for another than any it is compared with, never for the same.
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

/** Fields as a list of pairs: a field called `__proto__` stays one, and one called `0` does not jump ahead. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { object: pairs.map(([name, field]) => [name, sorted(field)]) };
}
