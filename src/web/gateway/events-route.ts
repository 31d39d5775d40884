import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Config } from '../../lib/config';
import { topicName } from '../../kafka/topics/topics';
import type { RejectedEvent } from '../../../schemas/types';
import { ProblemError } from '../http/problems';
import { EVENTS_LIMIT } from '../http/rate-limit';
import { sessionOf } from '../http/sessions';
import { mayPublish } from '../http/tokens';
import type { GatewayMetrics } from './gateway-metrics';
import { checkEvent } from './check-event';
import type { PublishQueue, QueuedRecord } from './publish-queue';
import { BODY_BYTES_MAX, withRawBodies } from './raw-bodies';
import { BATCH, STRUCTURED, EVENTS_PER_REQUEST_MAX, readEvents } from './read-events';

export interface EventsRouteOptions {
  readonly config: Pick<Config, 'prefix' | 'limits'>;
  readonly queue: PublishQueue;
  readonly metrics: GatewayMetrics;
  readonly nowMs: () => number;
}

const ERRORS_SHOWN_MAX = 100;
const unzip = promisify(gunzip);
/**
 * A client in each language, for the OpenAPI document. docs/producers.md shows the same programs,
 * and a test runs them.
 */
const CODE_SAMPLES = Object.entries({ Shell: 'sh', JavaScript: 'js', Python: 'py', Go: 'go' }).map(
  ([lang, ending]) => ({
    lang,
    source: readFileSync(join(__dirname, `samples/post-events.${ending}`), 'utf8'),
  }),
);

const EVENT = { $ref: 'UsageEvent#' };
const BODY = {
  content: {
    [STRUCTURED]: { schema: EVENT },
    [BATCH]: {
      schema: {
        type: 'array',
        description: 'Each event is judged by itself. Those that are not valid are named in `rejected`.',
        maxItems: EVENTS_PER_REQUEST_MAX,
        items: EVENT,
      },
    },
    'application/json': {
      schema: {
        type: 'object',
        description: 'The data of one event, whose attributes are in headers such as `ce-id` and `ce-type`.',
      },
    },
  },
};

/**
 * `POST /v1/events` accepts events over HTTP and answers 202 once every in-sync replica of the log
 * holds them. An event that a client sends again, because no answer came or a bad one, counts once
 * by its own id.
 */
export function registerEvents(app: FastifyInstance, options: EventsRouteOptions): void {
  withRawBodies(app, (scope) => {
    scope.route({
      method: 'POST',
      url: '/v1/events',
      bodyLimit: BODY_BYTES_MAX,
      config: { rateLimit: EVENTS_LIMIT },
      // The body is bytes here, and each event of it is judged by itself.
      validatorCompiler: () => () => true,
      schema: {
        operationId: 'postEvents',
        summary: 'Publish usage events (CloudEvents 1.0: structured, batch or binary mode)',
        description:
          'Send `Content-Type: application/cloudevents+json` for one event, `application/cloudevents-batch+json` for ' +
          'up to 1,000 of them or 4 MiB, or `ce-` headers with the data as the body. `Content-Encoding: gzip` is ' +
          'accepted. The token needs the role `producer`. The valid events of a batch are accepted even if others are not, unless ' +
          '`Prefer: handling=strict` asks for all or none. After a 429 or 503, send the same events again: an event that ' +
          'arrives twice under its id counts once.',
        tags: ['events'],
        ...{ 'x-codeSamples': CODE_SAMPLES },
        body: BODY,
        response: {
          202: answer('The log holds the accepted events.', 'application/json', 'AcceptedEvents'),
          400: problem('The body is not understood, or no event in it is valid. `errors` says why.'),
          401: problem('The token is missing or not valid.'),
          403: problem('The token is not for a producer of the project.'),
          413: problem('The body is over 4 MiB, as sent or as unpacked.'),
          415: problem('The content type or encoding is not understood.'),
          429: problem('Too much is waiting for Kafka. `Retry-After` says when to try again.'),
          503: problem('Kafka does not acknowledge. `Retry-After` says when to try again.'),
        },
      },
      handler: async (request, reply) => {
        const outcome = await acceptEvents(request, options);
        return reply.code(202).type('application/json; charset=utf-8').send(JSON.stringify(outcome));
      },
    });
  });
}

async function acceptEvents(
  request: FastifyRequest,
  { config, queue, metrics, nowMs }: EventsRouteOptions,
): Promise<{ accepted: number; rejected: RejectedEvent[] }> {
  const session = sessionOf(request);
  const given = readEvents(request.headers, await bodyOf(request));
  if (!given.ok) {
    throw new ProblemError(given.status === 415 ? 'UNSUPPORTED_MEDIA_TYPE' : 'BAD_REQUEST', given.detail);
  }

  const records: QueuedRecord[] = [];
  const rejected: RejectedEvent[] = [];
  const now = nowMs();
  for (const [index, event] of given.events.entries()) {
    const judged = checkEvent(event, config.limits, now, (project) => mayPublish(session, project));
    if (judged.ok) {
      const { value, headers } = event;
      records.push({ topic: topicName(config.prefix, judged.topic), key: judged.project, value, headers });
    } else {
      rejected.push({ index, ...judged.rejected });
    }
  }
  for (const { reason } of rejected) metrics.rejected(reason);
  const isStrict = /(^|[,;\s])handling\s*=\s*"?strict"?/i.test(String(request.headers['prefer'] ?? ''));
  if (rejected.length > 0 && (isStrict || records.length === 0))
    throw rejection(rejected, given.events.length);

  if (records.length > 0) {
    request.endTurn(); // Waiting for Kafka costs this process nothing.
    const outcome = await queue.publish(records);
    if (outcome !== 'published') {
      metrics.refused(outcome);
      throw outcome === 'full'
        ? new ProblemError('RATE_LIMITED', 'Too many events are waiting for Kafka.', { 'retry-after': '1' })
        : new ProblemError('KAFKA_UNAVAILABLE', 'Send the events again.', { 'retry-after': '5' });
    }
  }
  metrics.accepted(records.length);
  return { accepted: records.length, rejected };
}

function rejection(rejected: readonly RejectedEvent[], total: number): ProblemError {
  const isForbidden = rejected.every(({ reason }) => reason === 'forbidden');
  return new ProblemError(
    isForbidden ? 'FORBIDDEN' : 'EVENTS_REJECTED',
    `${rejected.length} of ${total} events are not valid. Nothing was published.`,
    {},
    rejected.slice(0, ERRORS_SHOWN_MAX),
  );
}

/**
 * @throws ProblemError 413 for a body that unpacks to more than the limit, 400 or 415 for one that
 *   cannot be unpacked
 */
async function bodyOf(request: FastifyRequest): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const encoding = String(request.headers['content-encoding'] ?? 'identity')
    .trim()
    .toLowerCase();
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip') {
    throw new ProblemError('UNSUPPORTED_MEDIA_TYPE', 'Content-Encoding must be gzip or identity.');
  }
  try {
    return await unzip(body, { maxOutputLength: BODY_BYTES_MAX });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new ProblemError('PAYLOAD_TOO_LARGE', `The body unpacks to more than ${BODY_BYTES_MAX} bytes.`);
    }
    throw new ProblemError('BAD_REQUEST', 'The body is not valid gzip.');
  }
}

const answer = (description: string, mediaType: string, component: string): object => ({
  description,
  content: { [mediaType]: { schema: { $ref: `${component}#` } } },
});
const problem = (description: string): object => answer(description, 'application/problem+json', 'Problem');
