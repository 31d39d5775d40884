import type { Meter } from './meters';

/**
 * A length of time, exact to the nanosecond. `nanos` is from 0 to 999,999,999, and both are safe
 * integers.
 */
export interface Duration {
  readonly seconds: number;
  readonly nanos: number;
}

/**
 * What one event used of one meter, before rounding: a duration if the meter counts time, otherwise
 * a safe integer.
 */
export interface Usage {
  readonly meter: Meter;
  /** Only for inference meters. */
  readonly model?: string;
  readonly used: Duration | number;
}

/** What one event adds to one meter, rounded up on its own, in the base unit of the meter. */
export interface RatedUsage {
  readonly meter: Meter;
  readonly model?: string;
  /**
   * A canonical decimal integer above 0. It is a string because a rounded quantity may exceed 2^53.
   */
  readonly quantity: string;
}

/** One usage event, decoded and rated, with all that the totals need. */
export interface RatedEvent {
  readonly offset: number;
  readonly project: string;
  readonly source: string;
  readonly id: string;
  /** In the billing zone: `YYYY-MM` and `YYYY-MM-DD`. */
  readonly month: string;
  readonly day: string;
  /** Usages of zero are left out, so the list of an event that used nothing is empty. */
  readonly usages: readonly RatedUsage[];
  /** The event takes this usage back. Everything but `offset` is that of the voided event. */
  readonly isVoid?: true;
}
