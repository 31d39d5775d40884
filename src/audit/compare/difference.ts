/** Something in Redis, or in an invoice, that differs from the recount of the log. */
export interface Difference {
  readonly kind:
    /** A total, or late usage in it (`<month>@<meter>`). */
    | 'total'
    | 'daily'
    /** The days of a field do not add up to its total. */
    | 'days_sum'
    /** A total or a day in Redis is not an integer, or its key is not a hash. */
    | 'damaged'
    /** The month's set does not contain the project, so a close would not bill it. */
    | 'not_listed'
    /**
     * Redis and the ledger have different cut-offs of a shard, or only one of them has a cut-off.
     */
    | 'freeze'
    /** Redis shows another text than the ledger. */
    | 'view'
    /** A shard was written in part, or in part twice: see `findTornShards`. */
    | 'torn'
    /** A server has evicted keys since it started, and no rebuild has restored them. */
    | 'evicted'
    /**
     * A document's number is used twice, leaves a gap, or has an earlier date than a lower number.
     */
    | 'number'
    /** Redis and Kafka disagree on how many shards there are. */
    | 'shards'
    /** A cursor is missing, went back and does not return, or is behind the end of the log. */
    | 'cursor'
    /** An issued invoice differs from the priced recount. */
    | 'invoice'
    /** An event shares its fingerprint with another one, and is not billed. */
    | 'collision';
  /** undefined if the difference belongs to no month, e.g. a project's plans. */
  readonly month?: string;
  readonly project?: string;
  /** A meter, `<month>@<meter>`, `<day>/<meter>`, or the name of an invoice's line. */
  readonly field?: string;
  readonly shard?: number;
  /** The value by Kafka; null if there is none. */
  readonly expected: string | null;
  /** The value in Redis, or on the issued invoice; null if there is none. */
  readonly found: string | null;
}

/** The fields in which two maps of quantities differ. A missing field is not the same as zero. */
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
