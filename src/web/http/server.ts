import { randomUUID } from 'node:crypto';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { registerApiDocument } from '../api/api-document';
import { registerApi } from '../api/api-routes';
import { sendConditional } from './conditional';
import type { WebDependencies } from './dependencies';
import { traceAnswer } from '../../lib/tracing';
import { registerHealth } from './health';
import { registerMetrics } from './metrics-route';
import { registerPages, sendProblemPage } from '../pages/routes';
import { problemDocument, problemOfError, ProblemError } from './problems';
import { registerRateLimit } from './rate-limit';
import { registerSessions } from './sessions';
import { registerStaticFiles } from './static-files';
import { createUsageStreams } from '../api/usage-stream';

const BODY_LIMIT_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 15_000;
/** A project id of 128, a month and `.pdf`. Longer ones name nothing. */
const PARAMETER_LENGTH_MAX = 160;

/** The billing page, the API and the health of an installation. The caller listens and closes. */
export async function createServer(web: WebDependencies): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = web.log;
  const app = Fastify({
    loggerInstance,
    // Its own lines would show addresses, and an address may hold a token.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: web.config.web.trustProxy,
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
  await app.register(formbody, { bodyLimit: BODY_LIMIT_BYTES });
  registerSessions(app, web);
  await registerRateLimit(app);
  await registerApiDocument(app);
  logAnswers(app);
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOfError(error);
    if (problem.statusCode >= 500) request.log.error({ err: error }, 'a request failed');
    return sendProblem(request, reply, problem);
  });
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, new ProblemError('NOT_FOUND')));

  const streams = createUsageStreams(web);
  app.addHook('preClose', () => streams.close());
  registerHealth(app, web);
  registerMetrics(app, web);
  registerApi(app, web, streams);
  registerStaticFiles(app);
  registerPages(app, web);
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
    void reply.type('application/json; charset=utf-8');
    return sendConditional(request, reply, JSON.stringify(app.swagger()));
  });
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

/** A problem as a document for programs, as a page for people. */
function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: ProblemError): FastifyReply {
  void reply.code(problem.statusCode).headers(problem.headers).header('cache-control', 'no-store');
  const isForPeople =
    !request.url.startsWith('/v1/') && String(request.headers.accept ?? '').includes('text/html');
  if (isForPeople) return sendProblemPage(request, reply, problem);
  return reply.type('application/problem+json; charset=utf-8').send(JSON.stringify(problemDocument(problem)));
}

/** One line a request, by its route: an address may hold a token, and a header does. */
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
      {
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'answered',
    );
  });
}
