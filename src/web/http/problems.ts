import { TallymanError } from '../../lib/errors';
import type { Problem } from '../../../schemas/types';

export type ProblemCode = Problem['code'];

/** Every problem that the API and the pages answer with. */
const PROBLEMS: Readonly<Record<ProblemCode, { readonly status: number; readonly title: string }>> = {
  BAD_REQUEST: { status: 400, title: 'Invalid request' },
  EVENTS_REJECTED: { status: 400, title: 'Invalid events' },
  UNAUTHENTICATED: { status: 401, title: 'Missing or invalid token' },
  TOKEN_EXPIRED: { status: 401, title: 'Expired token' },
  FORBIDDEN: { status: 403, title: 'Access denied' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed' },
  REQUEST_TIMEOUT: { status: 408, title: 'Request too slow' },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'Request too large' },
  URI_TOO_LONG: { status: 414, title: 'Address too long' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'Unsupported content type' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  HEADERS_TOO_LARGE: { status: 431, title: 'Headers too large' },
  INTERNAL: { status: 500, title: 'Internal error' },
  KAFKA_UNAVAILABLE: { status: 503, title: 'Kafka does not answer' },
  STORE_UNAVAILABLE: { status: 503, title: 'A store does not answer' },
};

/** Thrown in a route to answer with a problem, which the error handler writes. */
export class ProblemError extends Error {
  readonly statusCode: number;

  constructor(
    readonly problemCode: ProblemCode,
    /** For the reader. It never contains a secret, or anything of another project. */
    readonly detail?: string,
    readonly headers: Readonly<Record<string, string>> = {},
    readonly errors?: Problem['errors'],
  ) {
    super(detail ?? PROBLEMS[problemCode].title);
    this.name = new.target.name;
    this.statusCode = PROBLEMS[problemCode].status;
  }
}

/** The document of a problem (RFC 9457). */
export function problemDocument({ problemCode, detail, errors }: ProblemError): Problem {
  const { status, title } = PROBLEMS[problemCode];
  return {
    type: `https://tallyman.dev/problems/${problemCode.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    ...(detail !== undefined && { detail }),
    ...(errors !== undefined && { errors }),
    code: problemCode,
  };
}

/** Answered instead of totals that are not complete. */
const NOT_WHOLE: Readonly<Record<string, string>> = {
  UNINITIALISED: 'There are no totals: Redis was emptied, or this installation is not initialised.',
  REBUILD_UNFINISHED: 'The totals are being rebuilt. They are shown again when the rebuild has ended.',
  REDIS_WENT_BACK: 'The totals have just been rebuilt. Try again.',
  LEDGER_MOVED: 'The totals of this month cannot be read until the operator has run a rebuild.',
  LEDGER_DAMAGED: 'The totals of this month cannot be read until the operator has restored a ledger.',
};

/**
 * The problem that a thrown error is answered with. Details of an internal error go to the log
 * only.
 */
export function problemOfError(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const notWhole = error instanceof TallymanError ? NOT_WHOLE[error.code] : undefined;
  if (notWhole !== undefined) return new ProblemError('STORE_UNAVAILABLE', notWhole, { 'retry-after': '30' });
  if (error instanceof TallymanError && error.code.startsWith('REDIS_')) {
    return new ProblemError('STORE_UNAVAILABLE', 'Redis does not answer.', { 'retry-after': '5' });
  }
  // A month that has left Redis is read from Kafka.
  if (isOfKafka(error))
    return new ProblemError('KAFKA_UNAVAILABLE', 'Kafka does not answer.', { 'retry-after': '5' });
  if (error instanceof TallymanError && error.code === 'NO_USAGE_LINE')
    return new ProblemError('NOT_FOUND', error.message);
  if (error instanceof TallymanError && error.code === 'UNKNOWN_PLAN') {
    return new ProblemError('NOT_FOUND', error.message); // The month is before the price list begins.
  }
  const { statusCode, message, validation } = error as {
    statusCode?: number;
    message?: string;
    validation?: unknown;
  };
  if (validation !== undefined) return new ProblemError('BAD_REQUEST', message);
  const [code = 'INTERNAL'] = CODES.filter(
    (one) => statusCode !== undefined && PROBLEMS[one].status === statusCode,
  );
  return new ProblemError(code);
}

/** Kafka's client is not loaded here, so its errors are recognised by their names. */
const isOfKafka = (error: unknown): boolean =>
  error instanceof TallymanError
    ? error.code.startsWith('KAFKA_') || error.code === 'LOG_STALLED'
    : nameOf(error).startsWith('KafkaJS');

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** The problems for the framework's own errors, by status. */
const CODES: readonly ProblemCode[] = [
  'BAD_REQUEST',
  'NOT_FOUND',
  'PAYLOAD_TOO_LARGE',
  'URI_TOO_LONG',
  'UNSUPPORTED_MEDIA_TYPE',
  'RATE_LIMITED',
];
