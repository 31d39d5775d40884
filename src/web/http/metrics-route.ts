import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { WebDependencies } from './dependencies';
import type { Health } from '../../ingest/health/check-health';
import { installationHealth } from './health';
import { createInstallationMetrics } from '../../ops/installation-metrics';

/**
 * `/metrics` for Prometheus. It needs no token, because it names no project. Keep it private, like
 * the health routes.
 */
export function registerMetrics(app: FastifyInstance, web: WebDependencies): Registry {
  const { store, calendar, logWatch, nowMs } = web;
  const health = (): Health => installationHealth(web, undefined);
  const metrics = createInstallationMetrics(store, calendar, logWatch, health, nowMs);
  const { registry } = metrics;
  app.get('/metrics', { logLevel: 'silent' }, async (_request, reply) => {
    await metrics.refresh();
    void reply.header('content-type', registry.contentType).header('cache-control', 'no-store');
    return registry.metrics();
  });
  return registry;
}
