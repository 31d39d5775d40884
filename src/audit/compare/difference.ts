/** Something in Redis, or in an invoice, that the recount of the log does not come to. */
export interface Difference {
  readonly kind:
    /** A total, or late usage in it (`<month>@<meter>`). */
    | 'total'
    | 'daily'
    /** The days of a field do not add up to its total. */
    | 'days_sum'
    /** The month's set does not name the project: a close would not bill it. */
    | 'not_listed'
    /** Redis and the ledger have frozen a shard at other offsets, or only one of them has. */
    | 'freeze'
    /** Redis shows another text than the ledger holds. */
    | 'view'
    /** A document's number is given twice, leaves a gap, or is dated before a lower one. */
    | 'number'
    /** Redis and Kafka disagree on how many shards there are. */
    | 'shards'
    /** A cursor is missing, went back and does not return, or lies behind the end of the log. */
    | 'cursor'
    /** An issued invoice is not what the recount is priced at. */
    | 'invoice'
    /** An event that shares its fingerprint with another one, and is not billed. */
    | 'collision';
  /** undefined where it is of no month: a project's plans. */
  readonly month?: string;
  readonly project?: string;
  /** A meter, `<month>@<meter>`, `<day>/<meter>`, or what an invoice's line is for. */
  readonly field?: string;
  readonly shard?: number;
  /** What Kafka says. null: nothing. */
  readonly expected: string | null;
  /** What Redis, or the issued invoice, says. null: nothing. */
  readonly found: string | null;
}

/** The fields in which two maps of quantities differ. A field that is missing stands for nothing, and not for zero. */
export function* differingFields(
  expected: ReadonlyMap<string, bigint>,
  found: ReadonlyMap<string, bigint>,
): Generator<{ field: string; expected: bigint | undefined; found: bigint | undefined }> {
  for (const [field, quantity] of expected) {
    if (found.get(field) !== quantity) yield { field, expected: quantity, found: found.get(field) };
  }
  for (const [field, quantity] of found) {
    if (!expected.has(field)) yield { field, expected: undefined, found: quantity };
  }
}
