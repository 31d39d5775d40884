import { randomUUID } from 'node:crypto';
import helmet from '@fastify/helmet';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Config } from '../../lib/config';
import type { Logger } from '../../lib/logger';
import { traceAnswer } from '../../lib/tracing';
import { problemDocument, problemOfError, ProblemError } from './problems';
import { registerQueryCheck } from '../plugins/query-check';
import { noteMethods } from './refusals/other-methods';
import { HEAD_BYTES_MAX, refuseUnreadable, REQUEST_TIMEOUT_MS } from './refusals/unreadable-requests';

/** The limit of a body on routes that expect none or a small form. */
export const BODY_LIMIT_BYTES = 16 * 1024;
/** The longest address is one with a sign-in token, which fits into a cookie. */
const ADDRESS_LENGTH_MAX = 8 * 1024;
/** How often Node looks for requests that take too long. */
const TIMEOUTS_EVERY_MS = 1_000;
/** A project id of 128 characters, a month and `.pdf`. Nothing has a longer name. */
const PARAMETER_LENGTH_MAX = 160;

export interface BaseAppOptions {
  readonly config: Pick<Config, 'web'>;
  readonly logger: Logger;
  /** Answers people with a page. Without it, everybody gets the document for programs. */
  readonly sendProblemPage?: (
    request: FastifyRequest,
    reply: FastifyReply,
    problem: ProblemError,
  ) => FastifyReply;
}

/**
 * The common part of all servers: limits, security headers, problem documents, and one log line per
 * request.
 */
export async function createBaseApp(options: BaseAppOptions): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = options.logger;
  const sendProblem = (request: FastifyRequest, reply: FastifyReply, problem: ProblemError): FastifyReply => {
    void reply.code(problem.statusCode).headers(problem.headers).header('cache-control', 'no-store');
    const isForPeople =
      !request.url.startsWith('/v1/') && String(request.headers.accept ?? '').includes('text/html');
    if (isForPeople && options.sendProblemPage) return options.sendProblemPage(request, reply, problem);
    return reply
      .type('application/problem+json; charset=utf-8')
      .send(JSON.stringify(problemDocument(problem)));
  };
  const app = Fastify({
    loggerInstance,
    // Fastify's own log lines would contain addresses, and an address may contain a token.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: options.config.web.trustProxy,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      maxHeaderSize: HEAD_BYTES_MAX,
      // Node's own, 60 seconds, would be the limit of a whole request, because it is the greater.
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUTS_EVERY_MS,
    },
    clientErrorHandler: refuseUnreadable,
    forceCloseConnections: 'idle',
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, problemOfError(error)),
  });
  // A route's result is sent as it is. Schemas describe answers here, and do not remove fields.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  await app.register(helmet, SECURITY_HEADERS);
  registerQueryCheck(app);
  noteMethods(app);
  app.addHook('onRequest', (request, _reply, done) =>
    done(request.url.length > ADDRESS_LENGTH_MAX ? new ProblemError('URI_TOO_LONG') : undefined),
  );
  logAnswers(app);
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOfError(error);
    if (problem.statusCode >= 500) request.log.error({ err: error }, 'request failed');
    return sendProblem(request, reply, problem);
  });
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, new ProblemError('NOT_FOUND')));
  return app;
}

const SECURITY_HEADERS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      styleSrc: ["'self'"],
      scriptSrc: ["'self'"],
      fontSrc: ["'self'"],
      imgSrc: ["'self'"],
      connectSrc: ["'self'"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  // `no-referrer` would hide the origin of a form from this server, too.
  referrerPolicy: { policy: 'same-origin' },
  xFrameOptions: { action: 'deny' },
} as const;

/** One line per request, with its route instead of its address, which may contain a token. */
function logAnswers(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    traceAnswer(
      `${request.method} ${route}`,
      {
        'http.request.method': request.method,
        'http.route': route,
        'http.response.status_code': reply.statusCode,
      },
      Date.now() - reply.elapsedTime,
      reply.statusCode >= 500,
    );
    request.log.info(
      { method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'answered',
    );
  });
}
