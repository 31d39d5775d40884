import type { Usage } from '../src/rating/usage';

/** Why an event cannot be counted. The list is closed, and part of the contract. */
export type RejectionReason =
  | 'too_large'
  | 'malformed_json'
  | 'schema_violation'
  | 'wrong_type'
  | 'negative_duration'
  | 'from_the_future'
  | 'too_old';

/** A bad event: no error, but a value that goes to the dead letters. */
export interface Rejection {
  readonly ok: false;
  readonly reason: RejectionReason;
  /** Names the field, its value and the rule; at most some hundred characters. */
  readonly detail: string;
}

export interface Usages {
  readonly ok: true;
  readonly usages: readonly Usage[];
}

/** What is particular to one raw topic: the type of its events, and how one becomes usages. */
export interface UsageConsumer {
  readonly name: 'session' | 'transfer' | 'agent' | 'inference';
  /** Without the installation's prefix. */
  readonly topic: string;
  readonly eventType: string;
  /** Checks an event's `data` and reads the usages off it. */
  usagesOf(data: unknown): Usages | Rejection;
}

export function reject(reason: RejectionReason, detail: string): Rejection {
  return { ok: false, reason, detail };
}

/** A value as it may stand in a detail: short, whatever a producer sent. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value));
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}
