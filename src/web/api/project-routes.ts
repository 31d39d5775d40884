import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { jsonExplanation, writeExplanation } from '../../audit/explanation';
import { budgetUse } from '../../billing/quota/budget-use';
import { TallymanError } from '../../lib/errors';
import { Mutex } from '../../lib/process/mutex';
import { within } from '../../lib/process/poller';
import { readAlerts } from '../../ops/read-alerts';
import { sendConditional } from '../http/conditional-requests';
import type { WebDependencies } from '../http/dependencies';
import { FairQueue } from '../http/fair-queue';
import { ProblemError } from '../http/problems';
import { limitKeyOf } from '../http/rate-limit';
import { projectOf } from '../http/sessions';
import { readMonthView } from '../pages/month-view';
import { INVOICE, invoiceDocument, monthOf, type ProjectRequest } from './api-routes';
import { forAdmins, invoiceParams, json, monthQuery, month, projectParams, unchanged } from './schema-parts';
import { parseCopy } from '../../lib/document';

/** Reading Kafka takes a request longer than anything else here. */
const KAFKA_LIMIT_MS = 10_000;
const EXPLANATIONS_AT_ONCE = 4;
const NO_PROGRESS = { update: () => undefined, end: () => undefined };

const kafkaAway = (): ProblemError =>
  new ProblemError('KAFKA_UNAVAILABLE', 'Kafka does not answer.', { 'retry-after': '5' });

/** What the command line has of a project besides its usage: budget, alerts and explanations. */
export function registerProjectApi(app: FastifyInstance, web: WebDependencies): void {
  registerBudget(app, web);
  registerAlerts(app, web);
  registerExplanation(app, web);
}

function registerBudget(app: FastifyInstance, web: WebDependencies): void {
  app.route({
    method: 'GET',
    url: '/v1/projects/:project/budget',
    schema: {
      operationId: 'getBudget',
      summary: 'How much of its budget a month has used',
      tags: ['usage'],
      params: projectParams,
      querystring: monthQuery,
      response: { 200: json('The budget; nulls without one.', 'Budget'), ...unchanged, ...forAdmins },
    },
    handler: async (request: ProjectRequest, reply) => {
      const { project } = projectOf(request, 'admin');
      const { input, invoice, forecast, ...view } = await readMonthView(web, project, monthOf(web, request));
      const { budget = null, used = invoice.total, remaining = null } = budgetUse(input, invoice) ?? {};
      const answer = {
        ...{ project, month: view.month, currency: invoice.currency, budget, used, remaining },
        forecast: forecast?.total ?? null,
      };
      void reply.type('application/json; charset=utf-8');
      const meaning = JSON.stringify({ ...answer, forecast: null });
      return sendConditional(request, reply, JSON.stringify(answer), meaning);
    },
  });
}

function registerAlerts(app: FastifyInstance, web: WebDependencies): void {
  // Each reads the whole ledger, so they take turns, and a holder has one at a time among them.
  const turns = new Mutex();
  const turnsOfHolder = new FairQueue(1);
  app.route({
    method: 'GET',
    url: '/v1/projects/:project/alerts',
    schema: {
      operationId: 'listAlerts',
      summary: 'The alerts that were sent, the oldest first',
      tags: ['usage'],
      params: projectParams,
      querystring: {
        type: 'object',
        properties: { month: { ...month, description: 'YYYY-MM; all by default.' } },
      },
      response: { 200: json('The alerts.', 'AlertList'), ...unchanged, ...forAdmins },
    },
    handler: async (request: ProjectRequest, reply) => {
      const { project } = projectOf(request, 'admin');
      request.endTurn();
      const endOwn = await turnsOfHolder.take(limitKeyOf(request));
      const end = await turns.take();
      const reading = readAlerts(web.kafka, web.config.prefix, {
        project,
        month: request.query.month,
      }).finally(() => {
        end();
        endOwn();
      });
      const alerts = await within(KAFKA_LIMIT_MS, reading).catch((error: unknown) => {
        throw error instanceof TallymanError ? error : kafkaAway();
      });
      if (alerts === undefined) throw kafkaAway();
      void reply.type('application/json; charset=utf-8');
      return sendConditional(request, reply, JSON.stringify({ alerts }));
    },
  });
}

function registerExplanation(app: FastifyInstance, web: WebDependencies): void {
  const { config, calendar, catalog } = web;
  const context = {
    ...{ config, calendar },
    kafka: () => web.kafka,
    store: () => Promise.resolve(web.store),
  };
  /** Whom the running ones are for: one each. */
  const running = new Set<string>();
  type Asked = FastifyRequest<{
    Params: { project: string; id: string };
    Querystring: { readonly line?: number };
  }>;
  app.route({
    method: 'GET',
    url: `/v1/projects/:project/invoices/${INVOICE}/explanation`,
    exposeHeadRoute: false,
    schema: {
      operationId: 'explainInvoice',
      summary: 'The events behind the lines of an invoice, with their rounding, as `tallyman explain --json`',
      description:
        'It is read from Kafka and sent as it is found. If Kafka fails meanwhile, the answer breaks off.',
      tags: ['invoices'],
      params: invoiceParams,
      querystring: {
        type: 'object',
        properties: {
          line: {
            type: 'integer',
            minimum: 1,
            maximum: 999_999,
            description: 'The number of a line, from 1; every usage line by default.',
          },
        },
      },
      response: {
        200: json('The lines with their events.', 'Explanation'),
        ...forAdmins,
      },
    },
    handler: async (request: Asked, reply) => {
      const { document } = await invoiceDocument(web, request);
      if (web.logWatch.position() === undefined) throw kafkaAway();
      const holder = limitKeyOf(request);
      if (running.has(holder) || running.size >= EXPLANATIONS_AT_ONCE)
        throw new ProblemError('RATE_LIMITED', 'Too many invoices are being explained.', {
          'retry-after': '10',
        });
      const invoice = parseCopy('invoice.v1.json', document, 'the invoice');
      const body = new PassThrough();
      const begun = new Promise<void>((resolve) => body.once('readable', resolve));
      running.add(holder);
      request.endTurn();
      const written = writeExplanation(context, {
        ...{ invoice, line: request.query.line, catalog, write: (text) => writeTo(body, text) },
        ...{ progress: NO_PROGRESS, writer: jsonExplanation(invoice) },
      }).finally(() => running.delete(holder));
      written.then(
        () => body.end(),
        (error: Error) => body.destroy(error),
      );
      body.on('error', (error) => request.log.warn({ err: error }, 'an explanation broke off'));
      // What is wrong with the request is known before the first byte.
      await Promise.race([begun, written]);
      void reply.type('application/json; charset=utf-8').header('cache-control', 'no-store');
      return reply.send(body);
    },
  });
}

/** Waits while the reader is slower than Kafka. */
async function writeTo(body: PassThrough, text: string): Promise<void> {
  if (body.destroyed) throw new Error('the reader has gone');
  if (text !== '' && !body.write(text)) await Promise.race([once(body, 'drain'), once(body, 'close')]);
}
