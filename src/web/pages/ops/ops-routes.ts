import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { askInstallationHealth } from '../../../ops/installation-health';
import type { InstallationLists } from '../../../ops/lists/installation-lists';
import { createOverviewReader } from '../../../ops/overview';
import { within } from '../../../lib/process/poller';
import {
  INVOICE_STATUSES,
  invoicesPage,
  PROJECT_STATUSES,
  projectsPage,
  type InvoicesQuery,
  type ProjectsQuery,
} from '../../api/installation-routes';
import { askedReplay, createReplay } from '../../api/replay-request';
import type { WebDependencies } from '../../http/dependencies';
import { ProblemError } from '../../http/problems';
import { checkForm, opsSessionOf } from '../../http/sessions';
import { pageQuery } from '../../plugins/query-check';
import type { Html } from '../html';
import { page, sendPage } from '../layout';
import { invoiceListPage, projectListPage } from './list-pages';
import { opsPage } from './ops-page';
import { confirmPage, replayPage } from './replay-page';

const ROWS = 50;
const WAIT_FOR_LETTERS_MS = 5_000;
/** Kafka has not answered for seconds, and the page must not wait for it. */
const WAIT_FOR_AWAY_MS = 300;

/** The pages for the people who run the installation. */
export function registerInstallationPages(
  app: FastifyInstance,
  web: WebDependencies,
  lists: InstallationLists,
): void {
  const installation = createOverviewReader({
    ...web,
    prefix: web.config.prefix,
    position: () => web.logWatch.position(),
  });
  /** The page matters most while a part of it cannot be read. */
  const orUnknown = <T>(part: string, reading: Promise<T>): Promise<T | undefined> =>
    reading.catch((error: unknown) => {
      web.logger.warn({ err: error, part }, 'cannot read a part of the installation');
      return undefined;
    });

  const lettersWithinMs = (): number =>
    web.logWatch.position() === undefined ? WAIT_FOR_AWAY_MS : WAIT_FOR_LETTERS_MS;

  app.get('/ops', async (request, reply) => {
    opsSessionOf(request);
    await web.logWatch.firstLook(1_000);
    const [health, months, spend, deadLetters] = await Promise.all([
      askInstallationHealth(web),
      orUnknown('months', installation.readMonths()),
      orUnknown('spend', installation.spend.refresh()),
      orUnknown('dead letters', within(lettersWithinMs(), installation.deadLetters.refresh())),
    ]);
    const view = { ...installation.overview(), health, months, spend, deadLetters };
    return send(
      request,
      reply,
      'Installation',
      opsPage(view, web.config.health.stuckAfterMs, request.formProof),
    );
  });

  registerLists(app, web, lists, () => orUnknown('months', installation.readMonthNames()));
  registerReplay(app, web, () => installation.deadLetters.forget());
}

function registerLists(
  app: FastifyInstance,
  web: WebDependencies,
  lists: InstallationLists,
  readMonthNames: () => Promise<readonly string[] | undefined>,
): void {
  app.get('/ops/projects', pageQuery('search', 'plan', 'status', 'cursor'), async (request, reply) => {
    opsSessionOf(request);
    const query = givenOf<ProjectsQuery>(request);
    checkOneOf('status', query.status, PROJECT_STATUSES);
    const found = await projectsPage(web, lists, query, ROWS);
    const plans = [...web.catalog.plans.keys()];
    return send(request, reply, 'Projects', projectListPage(query, plans, found, web.catalog.currency));
  });

  app.get('/ops/invoices', pageQuery('month', 'plan', 'status', 'cursor'), async (request, reply) => {
    opsSessionOf(request);
    const query = givenOf<InvoicesQuery>(request);
    checkOneOf('status', query.status, INVOICE_STATUSES);
    const [found, months = []] = await Promise.all([invoicesPage(web, lists, query, ROWS), readMonthNames()]);
    const choices = { plans: [...web.catalog.plans.keys()], months };
    return send(request, reply, 'Invoices', invoiceListPage(query, choices, found));
  });
}

function registerReplay(app: FastifyInstance, web: WebDependencies, onReplayed: () => void): void {
  const replay = createReplay(web);
  app.post('/ops/replay', async (request, reply) => {
    const session = opsSessionOf(request);
    checkForm(request);
    const asked = askedReplay(request.body);
    const outcome = await replay(asked);
    if ('waiting' in outcome) {
      if (!('reason' in asked)) throw new ProblemError('BAD_REQUEST');
      return send(request, reply, 'Replay', confirmPage(asked.reason, outcome, request.formProof));
    }
    onReplayed();
    request.log.warn({ subject: session.subject, ...asked, replayed: outcome.report.replayed }, 'replayed');
    return send(request, reply, 'Replay', replayPage(asked, outcome));
  });
}

function send(request: FastifyRequest, reply: FastifyReply, title: string, body: Html): FastifyReply {
  const session = opsSessionOf(request);
  return sendPage(reply, page({ title, session, formProof: request.formProof }, body));
}

/** A form sends its empty fields, too. */
function givenOf<Q>(request: FastifyRequest): Q {
  return Object.fromEntries(Object.entries(request.query as object).filter(([, value]) => value !== '')) as Q;
}

function checkOneOf(name: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value))
    throw new ProblemError('BAD_REQUEST', `\`${name}\` must be one of ${allowed.join(', ')}.`);
}
