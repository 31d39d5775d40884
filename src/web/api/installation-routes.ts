import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { InvoiceStatus, ProjectListItem } from '../../../schemas/types';
import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import { monthCsv } from '../../ops/lists/invoices-csv';
import type { InstallationLists } from '../../ops/lists/installation-lists';
import { isMonth } from '../../rating/month';
import { checkRebuilt } from '../../redis/rebuilding';
import type { WebDependencies } from '../http/dependencies';
import { ProblemError } from '../http/problems';
import { isProjectId, opsSessionOf } from '../http/sessions';
import { asFile, monthOf } from './api-routes';
import { cursorOf, placeOfCursor, sendList } from './paging';
import { file, json, month, problems, text, unchanged } from './schema-parts';

const PAGE_MAX = 500;
export const INVOICE_STATUSES: readonly InvoiceStatus[] = ['issued', 'open', 'draft', 'held', 'nothing_due'];
export const PROJECT_STATUSES: readonly ProjectListItem['status'][] = ['active', 'idle'];

const plan = text('Only those of this plan.', { minLength: 1, maxLength: 64 });
const paging = {
  limit: {
    type: 'integer',
    minimum: 1,
    maximum: PAGE_MAX,
    default: 50,
    description: 'The maximum number of items in the answer.',
  },
  cursor: text('The `nextCursor` of the previous page, with the same filters.', { maxLength: 512 }),
};
const forOps = { ...problems, 404: problems[404] };

export interface ProjectsQuery {
  readonly month?: string;
  readonly plan?: string;
  readonly status?: ProjectListItem['status'];
  readonly search?: string;
  readonly cursor?: string;
}
export interface InvoicesQuery {
  readonly month?: string;
  readonly plan?: string;
  readonly status?: InvoiceStatus;
  readonly cursor?: string;
}
type Asked<Q> = FastifyRequest<{ Querystring: Q & { readonly limit: number } }>;

/** The lists of the whole installation, for the role `ops`. */
export function registerInstallationApi(
  app: FastifyInstance,
  web: WebDependencies,
  lists: InstallationLists,
): void {
  registerProjectList(app, web, lists);
  registerInvoiceList(app, web, lists);
  registerInvoiceLines(app, web);
}

function registerProjectList(app: FastifyInstance, web: WebDependencies, lists: InstallationLists): void {
  app.route({
    method: 'GET',
    url: '/v1/projects',
    schema: {
      operationId: 'listProjects',
      summary: 'Projects of the installation, by their ids',
      tags: ['installation'],
      querystring: {
        type: 'object',
        properties: {
          month,
          plan,
          status: {
            enum: PROJECT_STATUSES,
            description: '`active`: with usage in the month; `idle`: without.',
          },
          search: text('A part of the id or the name, in any case.', { maxLength: 128 }),
          ...paging,
        },
      },
      response: { 200: json('A page of projects.', 'ProjectsPage'), ...unchanged, ...forOps },
    },
    handler: async (request: Asked<ProjectsQuery>, reply) => {
      opsSessionOf(request);
      const { items, nextCursor } = await projectsPage(web, lists, request.query, request.query.limit);
      return sendList(request, reply, { projects: items, nextCursor });
    },
  });
}

function registerInvoiceList(app: FastifyInstance, web: WebDependencies, lists: InstallationLists): void {
  app.route({
    method: 'GET',
    url: '/v1/invoices',
    schema: {
      operationId: 'listInstallationInvoices',
      summary: 'Invoices and credit notes of the installation, the newest month first, then by project',
      tags: ['installation'],
      querystring: {
        type: 'object',
        properties: {
          month: { ...month, description: 'YYYY-MM in the billing zone; all months by default.' },
          plan,
          status: {
            enum: INVOICE_STATUSES,
            default: 'issued',
            description:
              'Only issued documents are stored. With another status, `month` is needed, and the projects without an ' +
              'invoice are priced as of now.',
          },
          ...paging,
        },
      },
      response: { 200: json('A page of invoices.', 'InvoicesPage'), ...unchanged, ...forOps },
    },
    handler: async (request: Asked<InvoicesQuery>, reply) => {
      opsSessionOf(request);
      const { items, nextCursor } = await invoicesPage(web, lists, request.query, request.query.limit);
      return sendList(request, reply, { invoices: items, nextCursor });
    },
  });
}

function registerInvoiceLines(app: FastifyInstance, web: WebDependencies): void {
  app.route({
    method: 'GET',
    url: '/v1/invoices.csv',
    schema: {
      operationId: 'getInstallationInvoicesCsv',
      summary: 'The lines of all invoices and credit notes of a month as CSV (RFC 4180)',
      tags: ['installation'],
      querystring: { type: 'object', required: ['month'], properties: { month, plan } },
      response: { 200: file('The lines, by project.', 'text/csv'), ...forOps },
    },
    exposeHeadRoute: false,
    handler: async (request: Asked<InvoicesQuery>, reply) => {
      opsSessionOf(request);
      const of = monthOf(web, request);
      await checkRebuilt(web.store);
      asFile(reply, `invoices-${of}.csv`);
      return reply
        .header('cache-control', 'no-store')
        .send(Readable.from(monthCsv(web.store, of, request.query.plan)));
    },
  });
}

/** What a list and its page share: the asked page, and the cursor of the next one. */
export async function projectsPage(
  web: WebDependencies,
  lists: InstallationLists,
  query: ProjectsQuery,
  limit: number,
): Promise<{ items: readonly ProjectListItem[]; nextCursor: string | null }> {
  const { plan, status, search, cursor } = query;
  // The month is a filter also if it was not given, since the current one changes.
  const filters = { list: 'projects', month: monthOf(web, { query }), plan, status, search };
  const [after] = cursor === undefined ? [] : placeOfCursor(cursor, filters, isProjectPlace);
  const { items, next } = await lists.projects(filters, { after, limit });
  return { items, nextCursor: next === undefined ? null : cursorOf(filters, [next]) };
}

export async function invoicesPage(
  web: WebDependencies,
  lists: InstallationLists,
  query: InvoicesQuery,
  limit: number,
): Promise<Awaited<ReturnType<InstallationLists['invoices']>> & { nextCursor: string | null }> {
  const { plan, status = 'issued', cursor } = query;
  const of = query.month === undefined ? undefined : monthOf(web, { query });
  if (status !== 'issued' && of === undefined) {
    throw new ProblemError('BAD_REQUEST', `\`status=${status}\` needs \`month\`.`);
  }
  const filters = { list: 'invoices', month: of, plan, status };
  const place = cursor === undefined ? undefined : placeOfCursor(cursor, filters, isInvoicePlace);
  const after = place && { month: place[0]!, project: place[1]!, entry: place[2]! };
  const page = await lists.invoices(filters, { after, limit });
  const { next } = page;
  return { ...page, nextCursor: next ? cursorOf(filters, [next.month, next.project, next.entry]) : null };
}

const isProjectPlace = ([project = '', ...more]: readonly string[]): boolean =>
  more.length === 0 && isProjectId(project);

const isInvoicePlace = ([month = '', project = '', entry = '', ...more]: readonly string[]): boolean =>
  more.length === 0 && isMonth(month) && parseInvoiceId(`${project}-${entry}`)?.project === project;
