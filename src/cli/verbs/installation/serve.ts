import { Command } from 'commander';
import { loadCatalog } from '../../../installation/catalog-file';
import { watchRevocations } from '../../../installation/revocations';
import { watchLedgers } from '../../../installation/ledgers/watch-ledgers';
import { usageConsumers } from '../../../../consumers';
import { assignedPartitions } from '../../../kafka/checks/check-groups';
import { usageTopics } from '../../../kafka/topics/topics';
import { watchLog } from '../../../ingest/health/log-position';
import { createPdfRenderer } from '../../../pdf/pdf-renderer';
import { createTokens } from '../../../web/http/tokens';
import { needAuthSecret } from '../../lib/auth-secret';
import { versionText } from '../../lib/version';
import { logStart } from '../../../installation/log-start';
import { withContext, type Context } from '../../../installation/context';
import { groupOf } from '../../../ingest/run-consumers';
import { serveProbes, type HealthServer } from '../../../lib/health-server';
import { askInstallationHealth, installationHealth } from '../../../ops/installation-health';
import { createInstallationMetrics } from '../../../ops/installation-metrics';
import { signalled, stopsWhileStarting } from '../../../lib/process/stop-signal';

export function verb(): Command {
  return new Command('serve')
    .description('Serve the billing page and the API.')
    .addHelpText(
      'after',
      `
TALLYMAN_AUTH_SECRET (32 bytes or more) signs and checks tokens. TALLYMAN_HOST and TALLYMAN_PORT set where to listen.
TALLYMAN_HEALTH_PORT serves /healthz, /readyz and /metrics of the installation.

Examples:
  TALLYMAN_AUTH_SECRET=$(openssl rand -hex 32) tallyman serve
  tallyman token acme --role admin --link http://127.0.0.1:8080   makes a sign-in link`,
    )
    .action(() => withContext(serve, { waitsForKafka: true }));
}

async function serve(context: Context): Promise<void> {
  const { config, logger, calendar } = context;
  const authSecret = needAuthSecret(context);
  stopsWhileStarting(logger);
  logStart(context, 'serve', versionText());
  const { catalog } = loadCatalog(config.catalogPath);
  const store = await context.store();
  const kafka = context.kafka();
  const ledgerWatch = await watchLedgers(kafka, store, config.prefix, logger);
  const revocations = await watchRevocations(kafka, config.prefix, logger);
  const groupIds = usageConsumers.map(({ name }) => groupOf(config.prefix, name));
  const readers = (): Promise<Map<string, Set<number>>> => assignedPartitions(kafka, groupIds);
  const logWatch = watchLog({ kafka, store, topics: usageTopics(config.prefix), readers }, logger);
  // Loaded only now, because help and completion load this file too.
  const { createServer } = await import('../../../web/http/server.js');
  const pdfs = createPdfRenderer({ isPolite: true });
  const sources = { config, store, logWatch, ledgerWatch };
  const metrics = createInstallationMetrics(
    store,
    calendar,
    logWatch,
    () => installationHealth(sources),
    Date.now,
  );
  const app = await createServer({
    ...{ config, logger, calendar, catalog, kafka, store, logWatch, ledgerWatch, authSecret, pdfs },
    registry: metrics.registry,
    tokens: createTokens(authSecret, (token) => revocations.isRevoked(token)),
    nowMs: Date.now,
  });
  const stopSignal = signalled();
  let probes: HealthServer | undefined;
  try {
    const address = await app.listen({ host: config.web.host, port: config.web.port });
    logger.info({ address }, 'serving');
    // Only now, because a process that is ready must accept requests.
    probes = await serveProbes(config.health, () => askInstallationHealth(sources), metrics, logger);
    await stopSignal.promise;
  } finally {
    await probes?.close();
    await app.close();
    await pdfs.close();
    logWatch.stop();
    ledgerWatch.stop();
    revocations.stop();
    stopSignal.dispose();
  }
}
