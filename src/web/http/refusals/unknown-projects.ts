import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isMonth } from '../../../rating/month';
import { readWhole } from '../../../redis/rebuilding';
import { placeProjects } from '../../../redis/usage/read-usage';
import { projectsView } from '../../../redis/views/ledger-view';
import type { WebDependencies } from '../dependencies';
import { ProblemError } from '../problems';
import { roleOf } from '../tokens';

/**
 * Answers 404 for a project that nobody knows, on every route that names one. A token may name any
 * project, so a mistake in it would show a plan that was never agreed, and admit sessions.
 */
export function refuseUnknownProjects(app: FastifyInstance, web: WebDependencies): void {
  app.addHook('preHandler', async (request) => {
    const { project } = (request.params ?? {}) as { project?: string };
    const answer = request.tokenAnswer;
    // The route itself answers whoever may not see the project.
    if (project === undefined || answer?.ok !== true || roleOf(answer.session, project) === undefined) return;
    if (!(await isKnown(web, project, monthAsked(web, request)))) {
      throw new ProblemError('NOT_FOUND', 'This project does not exist: it has no plan and no usage.');
    }
  });
}

function monthAsked({ calendar, nowMs }: WebDependencies, { query }: FastifyRequest): string {
  const { month } = (query ?? {}) as { month?: unknown };
  return typeof month === 'string' && isMonth(month) ? month : calendar.monthOfMs(nowMs());
}

/**
 * Whether a project was set, has invoices, or has usage in the month or the one before. The month
 * before keeps a project known that was never set, when a month has just begun.
 */
async function isKnown(
  { store, calendar }: WebDependencies,
  project: string,
  month: string,
): Promise<boolean> {
  const { redis, keys } = store;
  if ((await redis.hexists(keys.projects, project)) === 1) return true;
  return readWhole(store, async () => {
    if ((await redis.exists(keys.invoices(project))) === 1) return true;
    for (const one of [month, calendar.previousMonth(month)]) {
      const [placed] = await placeProjects(store, one, [project]);
      if (placed!.shards.length > 0) return true;
    }
    if ((await projectsView(store).find()).position !== undefined) return false;
    throw new ProblemError('STORE_UNAVAILABLE', 'Redis does not show all projects yet.', {
      'retry-after': '5',
    });
  });
}
