/** Why an event cannot be counted. The list is closed, and part of the contract. */
export const REJECTION_REASONS = [
  'too_large',
  'malformed_json',
  'schema_violation',
  'wrong_type',
  'negative_duration',
  'from_the_future',
  'too_old',
  'implausible',
  /** Found when the void is applied: the totals hold less than it would take back. */
  'void_mismatch',
] as const;

export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** A bad event is a value, not an error. It goes to the dead letters. */
export interface Rejection {
  readonly ok: false;
  readonly reason: RejectionReason;
  /** Names the field, its value and the rule, in about 300 characters at most. */
  readonly detail: string;
}

export function reject(reason: RejectionReason, detail: string): Rejection {
  return { ok: false, reason, detail };
}
