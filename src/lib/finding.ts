import type { ErrorCode } from './error-codes';

/** The result of a check: what could go wrong with the installation, and what to do. */
export interface Finding {
  /**
   * `error`: usage is or will be lost, or a consumer stops. `warning`: safety, memory or speed
   * suffers.
   */
  readonly level: 'error' | 'warning';
  /** Stable and upper-case; present if a program or another check uses the finding. */
  readonly code?: ErrorCode;
  readonly subject: string;
  readonly problem: string;
  /** What to type or to change. */
  readonly remedy: string;
}
