/** What a check of an installation found: what could go wrong with it, and what to do. */
export interface Finding {
  /** `error`: usage is or will be lost, or a consumer stops. `warning`: it costs safety, memory or speed. */
  readonly level: 'error' | 'warning';
  /** Stable, upper-case; where a program, or another check, goes by the finding. */
  readonly code?: string;
  readonly subject: string;
  readonly problem: string;
  /** What to type or to change. */
  readonly remedy: string;
}
