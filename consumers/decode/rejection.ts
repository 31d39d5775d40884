/** Why an event cannot be counted. The list is closed, and part of the contract. */
export type RejectionReason =
  | 'too_large'
  | 'malformed_json'
  | 'schema_violation'
  | 'wrong_type'
  | 'negative_duration'
  | 'from_the_future'
  | 'too_old'
  | 'implausible'
  /** Only the totals can tell: they hold less than the void would take back. */
  | 'void_mismatch';

/** A bad event: no error, but a value that goes to the dead letters. */
export interface Rejection {
  readonly ok: false;
  readonly reason: RejectionReason;
  /** Names the field, its value and the rule; at most some 300 characters. */
  readonly detail: string;
}

export function reject(reason: RejectionReason, detail: string): Rejection {
  return { ok: false, reason, detail };
}
