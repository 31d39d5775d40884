/**
 * A broken invariant or a request that cannot be met. Bad usage events are never errors: they are values
 * (see `Rejection` in consumers/). An error carries a stable `code` and the values that explain it, so that a log
 * line can be searched by field instead of by its text.
 */
export class TallymanError extends Error {
  constructor(
    /** Stable, upper-case: what went wrong, for scripts and alerts. */
    readonly code: string,
    /** What happened, and what to do about it. */
    message: string,
    /** The values behind the message. */
    readonly fields: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The caller asked for something that is refused by rule, e.g. to close a month that is not over. Exit code 3. */
export class RefusedError extends TallymanError {}

/** The command line or the environment is wrong. Exit code 2. */
export class UsageError extends TallymanError {}
