import { TallymanError, type HoldCode } from '../../lib/errors';

/** Why a project's invoice cannot be issued, and what to do. Each text is a whole sentence. */
export interface InvoiceProblem {
  readonly project: string;
  readonly code: HoldCode;
  readonly detail: string;
  readonly remedy: string;
}

export interface ProblemPlace {
  readonly project: string;
  /** The month to be invoiced. */
  readonly month: string;
}

export function noPrice({ project, month }: ProblemPlace, meterKey: string, of: string): InvoiceProblem {
  return {
    project,
    code: 'NO_PRICE',
    detail: `The catalog has no price for ${meterKey} in ${of}.`,
    remedy: `Add a price that holds in ${of} to the catalog, and ${closeAgain(month)}.`,
  };
}

/**
 * Turns an error of one project into its problem, so that the other projects are invoiced. This
 * includes unexpected errors.
 */
export function problemOfError(place: ProblemPlace, error: unknown): InvoiceProblem {
  if (error instanceof TallymanError) return problemOf(place, error.code, error.message);
  const text = error instanceof Error ? error.message : String(error);
  return problemOf(place, 'PRICING_FAILED', `It cannot be priced: ${text}.`);
}

/** A problem with the remedy of its code. Remedies of a project's own problems are only here. */
export function problemOf(place: ProblemPlace, code: HoldCode, detail: string): InvoiceProblem {
  const remedy = remedies[code] ?? verifyAndCorrect;
  return { project: place.project, code, detail, remedy: remedy(place) };
}

type Remedy = (place: ProblemPlace) => string;

const closeAgain = (month: string): string => `run \`tallyman close ${month}\` again`;

const restoreRedis: Remedy = ({ month }) =>
  `Run \`tallyman verify ${month}\` to see what differs from Kafka. If Redis is wrong, empty it and run ` +
  `\`tallyman rebuild\`. Then ${closeAgain(month)}.`;

const verifyAndCorrect: Remedy = ({ project, month }) =>
  `Check \`tallyman projects show ${project}\` and \`tallyman totals ${project} --month ${month}\`, and run ` +
  `\`tallyman verify ${month}\` to see what differs from Kafka. Correct what is wrong, and ${closeAgain(month)}.`;

const remedies: Readonly<Partial<Record<HoldCode, Remedy>>> = {
  UNKNOWN_PLAN: ({ project, month }) =>
    `Add a row of the plan that begins on that day or earlier to the catalog (TALLYMAN_CATALOG), or correct the plans of ` +
    `${project} by \`tallyman projects import\`. If that usage is not to be charged, take it back by a void. ` +
    `Then ${closeAgain(month)}.`,
  PRICES_CHANGED: ({ month }) =>
    `Restore the rows of the catalog (TALLYMAN_CATALOG) that held when that month was invoiced, and ${closeAgain(month)}. ` +
    'A new price needs a row of its own that begins in an open month.',
  DAILY_MISMATCH: restoreRedis,
  LATE_FIELD: restoreRedis,
  UNREADABLE: restoreRedis,
  NOT_PRICED: restoreRedis,
  BAD_AMOUNT: ({ project, month }) =>
    `Write the amount with the digits of the currency, set ${project} by \`tallyman projects import\`, and ${closeAgain(month)}.`,
  CURRENCY_MISMATCH: ({ project, month }) =>
    `Correct the currency of ${project} by \`tallyman projects import\`, or name the catalog of that currency in ` +
    `TALLYMAN_CATALOG, and ${closeAgain(month)}. Another currency needs another installation (TALLYMAN_PREFIX).`,
};
