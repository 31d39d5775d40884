import type { Meter } from './meters';

/** A length of time, exact to the nanosecond. `nanos` is 0..999,999,999; both are safe integers. */
export interface Duration {
  readonly seconds: number;
  readonly nanos: number;
}

/**
 * What one event used of one meter, before rounding: a duration for a meter of time, else a safe
 * integer.
 */
export interface Usage {
  readonly meter: Meter;
  /** Only for inference meters. */
  readonly model?: string;
  readonly used: Duration | number;
}

/** What one event adds to one meter: rounded up on its own, in the meter's base unit. */
export interface RatedUsage {
  readonly meter: Meter;
  readonly model?: string;
  /** A canonical decimal integer above 0. A string, because a rounded quantity may pass 2^53. */
  readonly quantity: string;
}

/** One usage event, decoded and rated: all that the totals need to know of it. */
export interface RatedEvent {
  /** Its place in its partition. */
  readonly offset: number;
  readonly project: string;
  readonly source: string;
  readonly id: string;
  /** The month and the day of the usage in the billing zone: `YYYY-MM` and `YYYY-MM-DD`. */
  readonly month: string;
  readonly day: string;
  /** Usages of zero are left out: the list is empty for an event that used nothing. */
  readonly usages: readonly RatedUsage[];
  /**
   * The event takes this usage back: all but `offset` is what the void says of the event that it
   * voids.
   */
  readonly isVoid?: true;
}
