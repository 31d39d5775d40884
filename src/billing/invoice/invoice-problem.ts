import { TallymanError } from '../../lib/errors';

/** Why a project's invoice cannot be issued, and what to do. Each of the two texts is a whole sentence. */
export interface InvoiceProblem {
  readonly project: string;
  readonly code: string;
  readonly detail: string;
  readonly remedy: string;
}

/** Where a problem was met. */
export interface ProblemPlace {
  readonly project: string;
  /** The month to be invoiced. */
  readonly month: string;
}

/** A meter key that the catalog has no price for. */
export function noPrice({ project, month }: ProblemPlace, meterKey: string, of: string): InvoiceProblem {
  return {
    project,
    code: 'NO_PRICE',
    detail: `The catalog has no price for ${meterKey} in ${of}.`,
    remedy: `Add a price that holds in ${of} to the catalog, and ${closeAgain(month)}.`,
  };
}

/**
 * What an error in pricing means for the project that it was met in. Whatever it is, the other projects are invoiced: so
 * an unexpected error becomes a problem as well.
 */
export function problemOfError(place: ProblemPlace, error: unknown): InvoiceProblem {
  const [code, detail] =
    error instanceof TallymanError
      ? [error.code, error.message]
      : ['PRICING_FAILED', `It cannot be priced: ${error instanceof Error ? error.message : String(error)}.`];
  const remedy = remedies[code] ?? remedies['PRICING_FAILED']!;
  return { project: place.project, code, detail, remedy: remedy(place) };
}

const closeAgain = (month: string): string => `run \`tallyman close ${month}\` again`;

const remedies: Readonly<Record<string, (place: ProblemPlace) => string>> = {
  UNKNOWN_PLAN: ({ project, month }) =>
    `Add a row of the plan that begins on that day or before to the catalog, or correct the plans of ${project} by ` +
    `\`tallyman projects import\`. Usage that should not be there can be voided. Then ${closeAgain(month)}.`,
  DAILY_MISMATCH: ({ month }) =>
    `Run \`tallyman verify\` to see which of the two differs from Kafka, restore Redis by \`tallyman rebuild\`, and ` +
    `${closeAgain(month)}.`,
  LATE_FIELD: ({ month }) =>
    `Run \`tallyman verify ${month}\` to see what differs from Kafka, restore Redis by \`tallyman rebuild\`, and ` +
    `${closeAgain(month)}.`,
  BAD_AMOUNT: ({ project, month }) =>
    `Write the amount with the digits of the currency, set ${project} by \`tallyman projects import\`, and ${closeAgain(month)}.`,
  CURRENCY_MISMATCH: ({ project, month }) =>
    `Correct the currency of ${project} by \`tallyman projects import\`, or name the catalog of that currency in ` +
    `TALLYMAN_CATALOG, and ${closeAgain(month)}.`,
  PRICING_FAILED: ({ project, month }) =>
    `Look at \`tallyman projects show ${project}\` and \`tallyman totals ${project} --month ${month}\`, correct what is ` +
    `wrong, and ${closeAgain(month)}.`,
};
