import type { FastifyInstance } from 'fastify';
import type { WebDependencies } from './dependencies';
import { ALIVE } from '../../lib/health-server';
import { checkHealth, type Health } from '../../ingest/health/check-health';

/** The health of the installation, although this process runs none of its consumers. */
export const installationHealth = (
  { config, logWatch, ledgerWatch }: Pick<WebDependencies, 'config' | 'logWatch' | 'ledgerWatch'>,
  storeProblem: string | undefined,
): Health =>
  checkHealth({
    loops: [],
    storeProblem,
    position: logWatch.position(),
    positionProblem: logWatch.problem(),
    ledgerProblem: ledgerWatch.problem(),
    stuckAfterMs: config.health.stuckAfterMs,
  });

/** Whether the process works, and whether the totals that it shows are complete. */
export function registerHealth(app: FastifyInstance, web: WebDependencies): void {
  app.get('/healthz', { logLevel: 'silent' }, async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
    return ALIVE;
  });

  app.get('/readyz', { logLevel: 'silent' }, async (_request, reply) => {
    const storeProblem = await web.store.redis.ping().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const health = installationHealth(web, storeProblem);
    void reply.header('cache-control', 'no-store').code(health.ready ? 200 : 503);
    return health;
  });
}
