import type { FastifyInstance } from 'fastify';
import type { WebDependencies } from './dependencies';
import { checkHealth, type Health } from '../../ingest/health/check-health';
import type { LogWatch } from '../../ingest/health/log-position';

/** The health of the installation, although this process runs none of its consumers. */
export const installationHealth = (
  logWatch: Pick<LogWatch, 'position' | 'problem'>,
  stuckAfterMs: number,
  storeProblem: string | undefined,
): Health =>
  checkHealth({
    loops: [],
    storeProblem,
    position: logWatch.position(),
    positionProblem: logWatch.problem(),
    stuckAfterMs,
  });

/** Whether the process works, and whether the totals that it shows are complete. */
export function registerHealth(app: FastifyInstance, { config, store, logWatch }: WebDependencies): void {
  app.get('/healthz', { logLevel: 'silent' }, async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
    return { status: 'ok' };
  });

  app.get('/readyz', { logLevel: 'silent' }, async (_request, reply) => {
    const storeProblem = await store.redis.ping().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const health = installationHealth(logWatch, config.health.stuckAfterMs, storeProblem);
    void reply.header('cache-control', 'no-store').code(health.ready ? 200 : 503);
    return health;
  });
}
