import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import type { Invoice } from '../../billing/invoice/invoice';
import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import { invoiceCsv } from '../../billing/invoice/invoice-csv';
import { renderInvoicePdf } from '../../pdf/invoice-pdf';
import { readInvoice, readInvoices } from '../../redis/views/invoices';
import { invoiceSummary, quotaAnswer, usageAnswer } from './answers';
import { sendConditional } from '../http/conditional';
import type { WebDependencies } from '../http/dependencies';
import { readMonthView, readQuotas } from '../pages/month-view';
import { ProblemError } from '../http/problems';
import { QUOTA_LIMIT } from '../http/rate-limit';
import { projectOf } from '../http/sessions';
import { openUsageStream, type UsageStreams } from './usage-stream';
import { isMonth, MONTH_PATTERN } from '../../rating/month';

/** `<project>-<YYYY-MM>`, of a credit note `...-CN`; the router needs the end, to tell it from `.pdf` and `.csv`. */
const INVOICE = ':id(^.+-\\d{4}-\\d{2}(?:-CN)?)';
const PAGE_MAX = 100;

const text = (description: string, more: object = {}): object => ({ type: 'string', description, ...more });
const month = text('YYYY-MM in the billing zone; the current month by default.', { pattern: MONTH_PATTERN });
const projectParams = {
  type: 'object',
  required: ['project'],
  properties: { project: text('Project id.', { maxLength: 128 }) },
};
const invoiceParams = {
  type: 'object',
  required: ['project', 'id'],
  properties: {
    ...projectParams.properties,
    id: text('`<project>-<YYYY-MM>`; of a credit note `<project>-<YYYY-MM>-CN`', { maxLength: 139 }),
  },
};
const monthQuery = { type: 'object', properties: { month } };

const json = (description: string, component: string): object => ({
  description,
  content: { 'application/json': { schema: { $ref: `${component}#` } } },
});
const file = (description: string, mediaType: string): object => ({
  description,
  content: { [mediaType]: { schema: { type: 'string' } } },
});
const problem = (description: string): object => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
});
const problems = {
  400: problem('A parameter is not understood.'),
  401: problem('No token, or none that is good.'),
  404: problem('No such project, or not one of yours.'),
  429: problem('Too many requests; `Retry-After` says when to come again.'),
  503: problem('A store does not answer.'),
};
const forAdmins = { ...problems, 403: problem('You are a member, and this is for admins.') };
const unchanged = { 304: { description: 'What you have is what there is.', type: 'null' } };

type ProjectRequest = FastifyRequest<{ Params: { project: string }; Querystring: { month?: string } }>;
type InvoiceRequest = FastifyRequest<{ Params: { project: string; id: string } }>;

/** The routes under /v1. Every one asks first who is asking, and for which project. */
export function registerApi(app: FastifyInstance, web: WebDependencies, streams: UsageStreams): void {
  const get = (
    url: string,
    schema: FastifySchema & { operationId: string; summary: string; tags: string[] },
    handler: (request: never, reply: FastifyReply) => Promise<unknown>,
    options: object = {},
  ): void =>
    void app.route({
      method: 'GET',
      url: `/v1/projects/:project${url}`,
      schema,
      handler: handler as never,
      ...options,
    });

  get(
    '/usage',
    {
      operationId: 'getUsage',
      summary: 'Totals, days, included quantities and cost of a month',
      tags: ['usage'],
      params: projectParams,
      querystring: monthQuery,
      response: { 200: json('The month so far.', 'Usage'), ...unchanged, ...problems },
    },
    async (request: ProjectRequest, reply) => {
      const { project } = projectOf(request, 'member');
      const answer = usageAnswer(
        await readMonthView(web, project, monthOf(web, request)),
        web.logWatch.position(),
      );
      const meaning = JSON.stringify({ ...answer, freshness: null });
      void reply.type('application/json; charset=utf-8');
      return sendConditional(request, reply, JSON.stringify(answer), meaning);
    },
  );

  get(
    '/usage/stream',
    {
      operationId: 'streamUsage',
      summary: 'The month so far, and again whenever it changes (server-sent events `usage`)',
      tags: ['usage'],
      params: projectParams,
      response: {
        200: file('Events `usage`; the data of each is a Usage document.', 'text/event-stream'),
        ...problems,
      },
    },
    async (request: ProjectRequest, reply) => {
      const { project, session } = projectOf(request, 'member');
      await openUsageStream(streams, reply, project, session);
    },
    { exposeHeadRoute: false },
  );

  get(
    '/quota',
    {
      operationId: 'getQuota',
      summary: 'What remains of each included quantity, and whether to admit a new session',
      tags: ['usage'],
      params: projectParams,
      response: { 200: json('The current month.', 'Quota'), ...problems },
    },
    async (request: ProjectRequest, reply) => {
      const { project } = projectOf(request, 'member');
      const quotas = await readQuotas(web, project);
      // An old answer would admit what is to be stopped.
      void reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
      return JSON.stringify(quotaAnswer(project, quotas.month, quotas.quotas));
    },
    { config: { rateLimit: QUOTA_LIMIT } },
  );

  get(
    '/invoices',
    {
      operationId: 'listInvoices',
      summary: 'Issued invoices and credit notes, the newest first',
      tags: ['invoices'],
      params: projectParams,
      querystring: {
        type: 'object',
        properties: {
          limit: {
            type: 'integer',
            minimum: 1,
            maximum: PAGE_MAX,
            default: 24,
            description: 'At most so many.',
          },
          cursor: text('`nextCursor` of the page before.', { maxLength: 64 }),
        },
      },
      response: { 200: json('A page of invoices.', 'InvoiceList'), ...unchanged, ...forAdmins },
    },
    async (request: FastifyRequest<{ Querystring: { limit: number; cursor?: string } }>, reply) => {
      const { project } = projectOf(request, 'admin');
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : entryOfCursor(cursor);
      const found = [...(await readInvoices(web.store, project))]
        .filter(([of]) => before === undefined || of < before)
        .reverse();
      const page = found.slice(0, limit);
      const last = page.at(-1);
      const nextCursor = found.length > limit && last !== undefined ? cursorOf(last[0]) : null;
      if (nextCursor !== null) {
        const next = `/v1/projects/${project}/invoices?limit=${limit}&cursor=${nextCursor}`;
        void reply.header('link', `<${next}>; rel="next"`);
      }
      void reply.type('application/json; charset=utf-8');
      return sendConditional(
        request,
        reply,
        JSON.stringify({
          invoices: page.map(([, document]) => invoiceSummary(JSON.parse(document) as Invoice)),
          nextCursor,
        }),
      );
    },
  );

  get(
    `/invoices/${INVOICE}`,
    {
      operationId: 'getInvoice',
      summary: 'An issued invoice or credit note with its lines',
      tags: ['invoices'],
      params: invoiceParams,
      response: { 200: json('The invoice, as it was issued.', 'Invoice'), ...unchanged, ...forAdmins },
    },
    async (request: InvoiceRequest, reply) => {
      const { document } = await invoiceDocument(web, request);
      void reply.type('application/json; charset=utf-8');
      return sendConditional(request, reply, document);
    },
  );

  get(
    `/invoices/${INVOICE}.csv`,
    {
      operationId: 'getInvoiceCsv',
      summary: 'The lines of an invoice as CSV (RFC 4180)',
      tags: ['invoices'],
      params: invoiceParams,
      response: { 200: file('The lines.', 'text/csv'), ...unchanged, ...forAdmins },
    },
    async (request: InvoiceRequest, reply) => {
      const { id, document } = await invoiceDocument(web, request);
      void reply
        .type('text/csv; charset=utf-8')
        .header('content-disposition', `attachment; filename="${id}.csv"`);
      return sendConditional(request, reply, invoiceCsv(JSON.parse(document) as Invoice));
    },
  );

  get(
    `/invoices/${INVOICE}.pdf`,
    {
      operationId: 'getInvoicePdf',
      summary: 'An invoice as PDF',
      tags: ['invoices'],
      params: invoiceParams,
      response: {
        200: file('The invoice.', 'application/pdf'),
        ...unchanged,
        ...forAdmins,
      },
    },
    async (request: InvoiceRequest, reply) => {
      const { id, document } = await invoiceDocument(web, request);
      void reply.type('application/pdf').header('content-disposition', `attachment; filename="${id}.pdf"`);
      return sendConditional(request, reply, await renderInvoicePdf(JSON.parse(document) as Invoice));
    },
  );
}

/** The month that is asked for, the current one by default. One that has not begun holds nothing to tell. */
export function monthOf(
  web: WebDependencies,
  request: FastifyRequest<{ Querystring: { month?: string } }>,
): string {
  const current = web.calendar.monthOfMs(web.nowMs());
  const asked = request.query.month ?? current;
  if (!isMonth(asked)) throw new ProblemError('BAD_REQUEST', '`month` must be YYYY-MM.');
  if (asked > current) throw new ProblemError('BAD_REQUEST', `\`month\` has not begun: it is ${current}.`);
  return asked;
}

/** An invoice's own bytes. Its id is safe in a header and a file name: a checked project id and a month. */
async function invoiceDocument(
  web: WebDependencies,
  request: InvoiceRequest,
): Promise<{ id: string; document: string }> {
  const { project } = projectOf(request, 'admin');
  const { id } = request.params;
  const named = parseInvoiceId(id);
  const document =
    named?.project === project ? await readInvoice(web.store, project, named.entry) : undefined;
  if (document === undefined) throw new ProblemError('NOT_FOUND', 'This project has no such invoice.');
  return { id, document };
}

/** Opaque to readers, so that it may one day hold something else. */
const cursorOf = (before: string): string => Buffer.from(before).toString('base64url');

function entryOfCursor(cursor: string): string {
  const before = Buffer.from(cursor, 'base64url').toString();
  if (!isMonth(before.replace(/-CN$/, '')))
    throw new ProblemError('BAD_REQUEST', '`cursor` is none of ours.');
  return before;
}
