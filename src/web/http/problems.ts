import { TallymanError } from '../../lib/errors';
import type { Problem } from '../../../schemas/types';

export type ProblemCode = Problem['code'];

/** Every problem that the API and the page answer with. */
const PROBLEMS: Readonly<Record<ProblemCode, { readonly status: number; readonly title: string }>> = {
  BAD_REQUEST: { status: 400, title: 'The request is not understood' },
  EVENTS_REJECTED: { status: 400, title: 'Events of the request are not valid' },
  UNAUTHENTICATED: { status: 401, title: 'A valid token is needed' },
  TOKEN_EXPIRED: { status: 401, title: 'The token has expired' },
  FORBIDDEN: { status: 403, title: 'Your role does not allow this' },
  NOT_FOUND: { status: 404, title: 'There is no such thing' },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The request is too large' },
  URI_TOO_LONG: { status: 414, title: 'The address is too long' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'This content type is not understood' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  INTERNAL: { status: 500, title: 'Something went wrong here' },
  KAFKA_UNAVAILABLE: { status: 503, title: 'Kafka does not acknowledge' },
  STORE_UNAVAILABLE: { status: 503, title: 'A store does not answer' },
};

/** A request that is answered with a problem: thrown in a route, written by the error handler. */
export class ProblemError extends Error {
  readonly statusCode: number;

  constructor(
    readonly problemCode: ProblemCode,
    /** For the reader: never a secret, and nothing of what another project has. */
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

/** What is in Redis is not all there is: said instead of showing it. */
const NOT_WHOLE: Readonly<Record<string, string>> = {
  UNINITIALISED: 'There are no totals: the store was emptied, or this installation is not initialised.',
  REBUILD_UNFINISHED: 'The totals are being rebuilt. They are shown again when all of them are there.',
  REDIS_WENT_BACK: 'The totals were rebuilt just now.',
};

/** What a thrown error means to whoever asked. An error that is ours says nothing: its place is the log. */
export function problemOfError(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof TallymanError && error.code.startsWith('REDIS_')) {
    return new ProblemError('STORE_UNAVAILABLE', 'Redis does not answer.', { 'retry-after': '5' });
  }
  const notWhole = error instanceof TallymanError ? NOT_WHOLE[error.code] : undefined;
  if (notWhole !== undefined) return new ProblemError('STORE_UNAVAILABLE', notWhole, { 'retry-after': '30' });
  if (error instanceof TallymanError && error.code === 'UNKNOWN_PLAN') {
    return new ProblemError('NOT_FOUND', error.message); // Of a month before the price list begins.
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

/** Those that the framework's own errors come to, by their status. */
const CODES: readonly ProblemCode[] = [
  'BAD_REQUEST',
  'NOT_FOUND',
  'PAYLOAD_TOO_LARGE',
  'URI_TOO_LONG',
  'UNSUPPORTED_MEDIA_TYPE',
  'RATE_LIMITED',
];
