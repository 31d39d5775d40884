import { parseCopy } from '../../lib/document';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readInvoicesOfMonth } from '../../redis/views/invoices';
import { monthOf } from '../api/api-routes';
import { readBillingPage, type PageAddress } from './billing/read-billing-page';
import type { WebDependencies } from '../http/dependencies';
import { html, type Html } from './html';
import { invoicePage } from './billing/invoice-page';
import { page, pageOf, projectUrl, sendPage } from './layout';
import { monthName } from './number-text';
import { registerInstallationPages } from './ops/ops-routes';
import type { InstallationLists } from '../../ops/lists/installation-lists';
import { pageQuery } from '../plugins/query-check';
import { problemDocument, ProblemError, type ProblemCode } from '../http/problems';
import { LOGIN_LIMIT } from '../http/rate-limit';
import { checkForm, projectOf, sessionOf, signOut } from '../http/sessions';
import { signIn } from '../http/sign-in';
import { projectsSeenBy, type Session } from '../http/tokens';
import type { UsageStreams } from '../api/usage-stream';
import { createLivePages, type LivePages } from './live-page';
import { catalogStart } from './statements';
import { isMonth } from '../../rating/month';

const monthQuery = pageQuery('month', 'meter', 'before');

type PageQuery = { month?: string; meter?: string; before?: string };
type PageRequest = FastifyRequest<{ Params: { project: string }; Querystring: PageQuery }>;

/** The pages for people. None of them needs a script. */
export function registerPages(
  app: FastifyInstance,
  web: WebDependencies,
  streams: UsageStreams,
  lists: InstallationLists,
): void {
  registerSignIn(app, web);
  registerInstallationPages(app, web, lists);
  registerProjects(app, web, createLivePages(web, streams));
}

function registerSignIn(app: FastifyInstance, web: WebDependencies): void {
  app.get('/', (request, reply) => {
    const session = sessionOf(request);
    const [first] = projectsSeenBy(session);
    return reply.redirect(first === undefined ? '/ops' : projectUrl(first[0], pageOf(first[1])), 303);
  });

  // Not for HEAD, which would use the link up.
  const login = { config: { rateLimit: LOGIN_LIMIT }, exposeHeadRoute: false, ...pageQuery('token') };
  app.get('/login', login, (request, reply) => signIn(web, request, reply));

  app.post('/logout', async (request, reply) => {
    sessionOf(request);
    checkForm(request);
    await signOut(request, reply, web.store);
    return sendPage(
      reply,
      page(
        { title: 'Signed out' },
        html`<div class="alone">
          <h1>Signed out</h1>
          <p>To sign in again, request a new sign-in link.</p>
        </div>`,
      ),
    );
  });
}

function registerProjects(app: FastifyInstance, web: WebDependencies, livePages: LivePages): void {
  for (const [kind, role] of [
    ['billing', 'admin'],
    ['usage', 'member'],
  ] as const) {
    app.get(`/projects/:project/${kind}`, monthQuery, (request: PageRequest, reply) => {
      const { session } = projectOf(request, role);
      return showMonth(web, livePages, request, reply, session, kind);
    });
    app.get(
      `/projects/:project/${kind}/live`,
      { ...monthQuery, exposeHeadRoute: false },
      (request: PageRequest, reply) => {
        const { session } = projectOf(request, role);
        return livePages.open(request, reply, session, addressOf(web, request, kind));
      },
    );
  }

  app.get(
    '/projects/:project/billing/:month(^\\d{4}-\\d{2}$)',
    async (request: FastifyRequest<{ Params: { project: string; month: string } }>, reply) => {
      const { project, session } = projectOf(request, 'admin');
      const { month } = request.params;
      const documents = await readInvoicesOfMonth(web.store, project, month);
      if (documents.length === 0)
        throw new ProblemError('NOT_FOUND', 'No invoice was issued for this month.');
      const title = `Invoices for ${monthName(month)}, ${project}`;
      const frame = { title, session, project, formProof: request.formProof };
      return sendPage(
        reply,
        page(
          frame,
          invoicePage(documents.map((document) => parseCopy('invoice.v1.json', document, 'an invoice'))),
        ),
      );
    },
  );
}

function addressOf(web: WebDependencies, request: PageRequest, kind: PageAddress['kind']): PageAddress {
  const { before, meter } = request.query;
  if (before !== undefined && !isMonth(before))
    throw new ProblemError('BAD_REQUEST', '`before` must be YYYY-MM.');
  return { project: request.params.project, kind, month: monthOf(web, request), chart: meter, before };
}

async function showMonth(
  web: WebDependencies,
  livePages: LivePages,
  request: PageRequest,
  reply: FastifyReply,
  session: Session,
  kind: PageAddress['kind'],
): Promise<FastifyReply> {
  const address = addressOf(web, request, kind);
  const { project, month } = address;
  const frame = {
    title: `${kind === 'billing' ? 'Billing' : 'Usage'} of ${project}`,
    ...{ session, project, formProof: request.formProof },
  };
  const first = catalogStart(web.catalog);
  if (month < first) {
    void reply.code(404);
    return sendPage(reply, page(frame, beforeBilling(month, first, projectUrl(project, kind))));
  }
  await web.logWatch.firstLook(1_000);
  const body = await readBillingPage(web, address);
  const isCurrent = month === web.calendar.monthOfMs(web.nowMs());
  const live = isCurrent ? { live: { stream: liveUrl(address), state: livePages.loaded(body) } } : {};
  return sendPage(reply, page({ ...frame, ...live }, body));
}

function liveUrl({ project, kind, month, chart, before }: PageAddress): string {
  const asked = {
    month,
    ...(chart !== undefined && { meter: chart }),
    ...(before !== undefined && { before }),
  };
  return `${projectUrl(project, kind)}/live?${new URLSearchParams(asked).toString()}`;
}

const beforeBilling = (month: string, first: string, address: string): Html =>
  html`<div class="alone">
    <h1>Nothing was billed in ${monthName(month)}</h1>
    <p>The price list begins in ${monthName(first)}.</p>
    <p><a href="${address}">Go to this month</a></p>
  </div>`;

/** What a person reads above a problem, where the API has another word. */
const PAGE_TITLES: Partial<Readonly<Record<ProblemCode, string>>> = {
  UNAUTHENTICATED: 'Sign in',
  TOKEN_EXPIRED: 'Your session has ended',
  NOT_FOUND: 'Page not found',
};

/** A page for a problem, with its status. */
export function sendProblemPage(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: ProblemError,
): FastifyReply {
  const { title: titleOfProblem, status, detail, code } = problemDocument(problem);
  const session = request.tokenAnswer?.ok === true ? request.tokenAnswer.session : undefined;
  const { project } = (request.params ?? {}) as { project?: string };
  const title = PAGE_TITLES[code] ?? titleOfProblem;
  const usage = status === 403 && project !== undefined && session?.projects.has(project) === true;
  // Elsewhere the details of a 401 are for programs: they speak of tokens and headers.
  const isForPeople = status !== 401 || request.routeOptions.url === '/login';
  return sendPage(
    reply,
    page(
      { title, ...(session !== undefined && { session, formProof: request.formProof }) },
      html`<div class="alone">
        <h1>${title}</h1>
        ${status === 401 && howToSignIn(code)}
        ${isForPeople && detail !== undefined && html`<p class="note">${detail}</p>`}
        ${usage && html`<p><a href="${projectUrl(project, 'usage')}">See the usage of ${project}</a></p>`}
        ${session !== undefined && html`<p><a href="/">Go to your project</a></p>`}
      </div>`,
    ),
  );
}

const howToSignIn = (code: ProblemCode): Html =>
  code === 'TOKEN_EXPIRED'
    ? html`<p>To continue, open a new sign-in link.</p>`
    : html`<p>
        Open the sign-in link you were given. It works once. Administrators create one with
        <code>tallyman token --link</code>.
      </p>`;
