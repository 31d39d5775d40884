import type { FastifyInstance } from 'fastify';
import type { WebDependencies } from './dependencies';
import { stuckPartitions } from '../watch/log-position';

/** A partition with something to apply and no progress for so long is stuck. */
const STUCK_AFTER_MS = 60_000;

/** Whether the process lives, and whether what it shows can be relied on. */
export function registerHealth(app: FastifyInstance, { store, logWatch, nowMs }: WebDependencies): void {
  app.get('/healthz', { logLevel: 'silent' }, async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
    return { status: 'ok' };
  });

  app.get('/readyz', { logLevel: 'silent' }, async (_request, reply) => {
    const problems: string[] = [];
    await store.redis.ping().catch(() => problems.push('Redis does not answer'));
    const position = logWatch.position();
    if (position === undefined) problems.push('the log cannot be compared with the cursors');
    else {
      const stuck = stuckPartitions(position, STUCK_AFTER_MS, nowMs());
      problems.push(...stuck.map(({ topic, partition }) => `${topic} partition ${partition} is stuck`));
    }
    void reply.header('cache-control', 'no-store').code(problems.length === 0 ? 200 : 503);
    return { status: problems.length === 0 ? 'ready' : 'not ready', problems };
  });
}
