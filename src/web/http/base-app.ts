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

/** What a request without a body of its own may send. */
export const BODY_LIMIT_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 15_000;
/** A project id of 128, a month and `.pdf`. Longer ones name nothing. */
const PARAMETER_LENGTH_MAX = 160;

export interface BaseAppOptions {
  readonly config: Pick<Config, 'web'>;
  readonly logger: Logger;
  /** Answers a person with a page; without it everyone gets the document for programs. */
  readonly sendProblemPage?: (
    request: FastifyRequest,
    reply: FastifyReply,
    problem: ProblemError,
  ) => FastifyReply;
}

/** What every server of ours has: limits, security headers, problem documents, and one log line per request. */
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
    // Its own lines would show addresses, and an address may hold a token.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: options.config.web.trustProxy,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, problemOfError(error)),
  });
  // What a route returns is sent as it is: a schema describes an answer here, and does not cut it.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  await app.register(helmet, SECURITY_HEADERS);
  logAnswers(app);
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOfError(error);
    if (problem.statusCode >= 500) request.log.error({ err: error }, 'a request failed');
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
  // Not `no-referrer`: a form would then hide where it comes from from ourselves too.
  referrerPolicy: { policy: 'same-origin' },
  xFrameOptions: { action: 'deny' },
} as const;

/** One line per request, by its route: an address may hold a token, and a header does. */
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
