import { ERRORS, type ErrorCode } from './error-codes';

export type { ErrorCode, HoldCode } from './error-codes';

export interface TallymanErrorOptions extends ErrorOptions {
  /** Another exit code than the table's, for verbs that refuse to begin where others fail. */
  readonly exit?: number;
}

/**
 * A broken invariant, or a request that cannot be met. Bad usage events are never errors: they are
 * values (see `Rejection` in consumers/). An error has a stable `code` and the values that explain
 * it, so that logs can be searched by field instead of by text.
 */
export class TallymanError extends Error {
  /** The exit code of a command that ends with this error. */
  readonly exit: number;

  constructor(
    /** What went wrong, for scripts and alerts: one of the codes in `docs/errors.md`. */
    readonly code: ErrorCode,
    /** What happened, and what to do about it. */
    message: string,
    /** The values behind the message. */
    readonly fields: Readonly<Record<string, unknown>> = {},
    { exit, ...options }: TallymanErrorOptions = {},
  ) {
    super(message, options);
    this.name = new.target.name;
    this.exit = exit ?? ERRORS[code].exit;
  }
}
