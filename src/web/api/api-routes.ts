import { parseCopy } from '../../lib/document';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import { invoiceCsv } from '../../billing/invoice/invoice-csv';
import { readInvoice, readInvoices } from '../../redis/views/invoices';
import { invoiceSummary, quotaAnswer, usageAnswer } from './answers';
import { sendConditional, sendConditionally } from '../http/conditional-requests';
import type { WebDependencies } from '../http/dependencies';
import { readMonthView, readQuotas } from '../pages/month-view';
import { ProblemError } from '../http/problems';
import { FairQueue } from '../http/fair-queue';
import { limitKeyOf, QUOTA_LIMIT } from '../http/rate-limit';
import { projectOf } from '../http/sessions';
import { holderOf } from '../http/tokens';
import { cursorOf, placeOfCursor, sendList } from './paging';
import { usageCsv } from './usage-csv';
import { eventText, openEventStream } from './event-stream';
import type { UsageStreams } from './usage-stream';
import { isMonth } from '../../rating/month';
import {
  file,
  forAdmins,
  invoiceParams,
  json,
  monthQuery,
  problems,
  projectParams,
  text,
  unchanged,
} from './schema-parts';

/**
 * `<project>-<YYYY-MM>`, or `...-CN` for a credit note. The router needs the end, to tell it from
 * `.pdf` and `.csv`.
 */
export const INVOICE = ':id(^.+-\\d{4}-\\d{2}(?:-CN)?)';
const PAGE_MAX = 100;
/** One PDF is rendered after the other, so this many of one holder may delay that of another. */
const PDFS_AT_ONCE = 2;

export type ProjectRequest = FastifyRequest<{ Params: { project: string }; Querystring: { month?: string } }>;
type InvoiceRequest = FastifyRequest<{ Params: { project: string; id: string } }>;

type Get = (
  url: string,
  schema: FastifySchema & { operationId: string; summary: string; tags: string[] },
  handler: (request: never, reply: FastifyReply) => Promise<unknown>,
  options?: object,
) => void;

/** The routes under /v1. Each one first checks the token and its rights to the project. */
export function registerApi(app: FastifyInstance, web: WebDependencies, streams: UsageStreams): void {
  const get: Get = (url, schema, handler, options = {}) =>
    void app.route({
      method: 'GET',
      url: `/v1/projects/:project${url}`,
      schema,
      handler: handler as never,
      ...options,
    });
  registerUsage(get, web);
  registerUsageStream(get, streams);
  registerQuota(get, web);
  registerInvoiceList(get, web);
  registerInvoiceFiles(get, web);
  registerInvoicePdf(get, web);
}

function registerUsage(get: Get, web: WebDependencies): void {
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
      const meaning = JSON.stringify({ ...answer, freshness: null, forecast: null });
      void reply.type('application/json; charset=utf-8');
      return sendConditional(request, reply, JSON.stringify(answer), meaning);
    },
  );

  get(
    '/usage.csv',
    {
      operationId: 'getUsageCsv',
      summary: 'The usage of a month by day as CSV (RFC 4180), in base units',
      tags: ['usage'],
      params: projectParams,
      querystring: monthQuery,
      response: { 200: file('A row for each day and meter.', 'text/csv'), ...unchanged, ...problems },
    },
    async (request: ProjectRequest, reply) => {
      const { project } = projectOf(request, 'member');
      const of = monthOf(web, request);
      const answer = usageAnswer(await readMonthView(web, project, of), undefined);
      asFile(reply, `${project}-${of}-usage.csv`);
      return sendConditional(request, reply, usageCsv(answer));
    },
  );
}

function registerUsageStream(get: Get, streams: UsageStreams): void {
  get(
    '/usage/stream',
    {
      operationId: 'streamUsage',
      summary: 'The month so far, sent again whenever it changes (server-sent events `usage`)',
      tags: ['usage'],
      params: projectParams,
      response: {
        200: file('Events named `usage`. The data of each is a Usage document.', 'text/event-stream'),
        ...problems,
      },
    },
    async (request: ProjectRequest, reply) => {
      const { project, session } = projectOf(request, 'member');
      await openEventStream(request, reply, session, (stream) =>
        streams.watch(project, {
          holder: holderOf(session),
          // A slow reader skips outdated documents, because each document is complete.
          onUsage: ({ json }) => stream.offer(() => eventText('usage', json)),
          onEnd: () => stream.end(),
        }),
      );
    },
    { exposeHeadRoute: false },
  );
}

function registerQuota(get: Get, web: WebDependencies): void {
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
      // A cached answer would admit sessions that must be stopped.
      void reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
      return JSON.stringify(quotaAnswer(project, quotas.month, quotas.quotas));
    },
    { config: { rateLimit: QUOTA_LIMIT } },
  );
}

function registerInvoiceList(get: Get, web: WebDependencies): void {
  get(
    '/invoices',
    {
      operationId: 'listInvoices',
      summary: 'Issued invoices and credit notes, newest first',
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
            description: 'The maximum number of invoices in the answer.',
          },
          cursor: text('The `nextCursor` of the previous page.', { maxLength: 512 }),
        },
      },
      response: { 200: json('A page of invoices.', 'InvoiceList'), ...unchanged, ...forAdmins },
    },
    async (request: FastifyRequest<{ Querystring: { limit: number; cursor?: string } }>, reply) => {
      const { project } = projectOf(request, 'admin');
      const { limit, cursor } = request.query;
      const filters = { list: 'invoices of a project', project };
      const [before] = cursor === undefined ? [] : placeOfCursor(cursor, filters, isEntry);
      const found = [...(await readInvoices(web.store, project))]
        .filter(([of]) => before === undefined || of < before)
        .reverse();
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return sendList(request, reply, {
        invoices: page.map(([id, document]) =>
          invoiceSummary(parseCopy('invoice.v1.json', document, `invoice ${id}`)),
        ),
        nextCursor: last === undefined ? null : cursorOf(filters, [last[0]]),
      });
    },
  );
}

function registerInvoiceFiles(get: Get, web: WebDependencies): void {
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
      asFile(reply, `${id}.csv`);
      return sendConditional(
        request,
        reply,
        invoiceCsv(parseCopy('invoice.v1.json', document, 'the invoice')),
      );
    },
  );
}

function registerInvoicePdf(get: Get, web: WebDependencies): void {
  const turns = new FairQueue(PDFS_AT_ONCE);
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
      request.endTurn();
      return sendConditionally(request, reply, document, async () => {
        const end = await turns.take(limitKeyOf(request));
        try {
          const pdf = await web.pdfs.render(document);
          if (pdf === undefined)
            throw new ProblemError('RATE_LIMITED', 'Too many PDFs are being made.', { 'retry-after': '5' });
          asFile(reply, `${id}.pdf`);
          return pdf;
        } finally {
          end();
        }
      });
    },
  );
}

/** Lets a browser save the answer under a name, whose end decides its type. */
export function asFile(reply: FastifyReply, name: string): void {
  const type = name.endsWith('.pdf') ? 'application/pdf' : 'text/csv; charset=utf-8';
  void reply.type(type).header('content-disposition', `attachment; filename="${name}"`);
}

/** The requested month, by default the current one. A month that has not begun is refused. */
export function monthOf(
  web: WebDependencies,
  { query }: { readonly query: { readonly month?: string } },
): string {
  const current = web.calendar.monthOfMs(web.nowMs());
  const asked = query.month ?? current;
  if (!isMonth(asked)) throw new ProblemError('BAD_REQUEST', '`month` must be YYYY-MM.');
  if (asked > current)
    throw new ProblemError('BAD_REQUEST', `\`month\` has not begun. The current month is ${current}.`);
  return asked;
}

/**
 * An invoice as a file. Its id is safe in a header and a file name: it is a checked project id and
 * a month.
 */
export async function invoiceDocument(
  web: WebDependencies,
  request: InvoiceRequest,
): Promise<{ id: string; document: string }> {
  const { project } = projectOf(request, 'admin');
  const { id } = request.params;
  const named = parseInvoiceId(id);
  const document =
    named?.project === project ? await readInvoice(web.store, project, named.entry) : undefined;
  if (document === undefined)
    throw new ProblemError('NOT_FOUND', 'This project does not have such an invoice.');
  return { id, document };
}

const isEntry = ([entry = '', ...more]: readonly string[]): boolean =>
  more.length === 0 && isMonth(entry.replace(/-CN$/, ''));
