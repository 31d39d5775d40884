/** Something stored as a quantity that is not one, because someone edited or replaced it. */
export interface DamagedQuantity {
  readonly key: string;
  /** Empty if the key is not a hash. */
  readonly field: string;
  /** The value, or what Redis says of the key. */
  readonly found: string;
}

/**
 * A quantity as Redis stores it, an integer in base units; undefined for any other text, also one
 * with a zero in front, which Redis does not add to either.
 */
export function quantityOf(text: string): bigint | undefined {
  return /^(0|-?[1-9][0-9]*)$/.test(text) ? BigInt(text) : undefined;
}

export function describeDamage({ key, field, found }: DamagedQuantity): string {
  return field === '' ? `${key}: ${found}` : `${field} in ${key} is ${JSON.stringify(found)}, not an integer`;
}
