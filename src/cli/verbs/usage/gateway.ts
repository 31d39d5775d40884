import { Command } from 'commander';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { withContext, type Context } from '../../../installation/context';
import { jsonAnswer, startHealthServer } from '../../../lib/health-server';
import { signalled } from '../../../lib/process/stop-signal';
import { createTokens } from '../../../web/http/tokens';
import { needAuthSecret } from '../../lib/auth-secret';

export function verb(): Command {
  return new Command('gateway')
    .description('Take usage events over HTTP (POST /v1/events) and publish them to Kafka.')
    .addHelpText(
      'after',
      `
TALLYMAN_AUTH_SECRET (32 bytes or more) checks tokens; TALLYMAN_HOST and TALLYMAN_PORT say where to listen;
TALLYMAN_HEALTH_PORT answers /healthz, /readyz and /metrics. \`tallyman serve\` takes events too.

Examples:
  tallyman token acme --role producer --expires 365d
  tallyman gateway
  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/cloudevents+json' \\
       --data @event.json http://127.0.0.1:8080/v1/events`,
    )
    .action(() => withContext(runGateway));
}

async function runGateway(context: Context): Promise<void> {
  const { config, log } = context;
  const authSecret = needAuthSecret(context);
  const kafka = context.kafka();
  const stopSignal = signalled();
  // Loaded here, since help and completion load this file too.
  const { createGateway } = await import('../../../web/gateway/gateway.js');
  const { createGatewayServer } = await import('../../../web/gateway/gateway-server.js');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gateway = createGateway({ config, log, kafka, registry, nowMs: Date.now });
  const app = await createGatewayServer({
    config,
    log,
    tokens: createTokens(authSecret),
    authSecret,
    gateway,
  });
  const health =
    config.health.port === undefined
      ? undefined
      : await startHealthServer({
          host: config.health.host,
          port: config.health.port,
          routes: {
            '/healthz': () => jsonAnswer(200, { status: 'ok' }),
            '/readyz': async () => {
              const answers = await kafka.admin().then(
                (admin) => admin.describeCluster().then(() => true),
                () => false,
              );
              const problems = answers ? [] : ['Kafka does not answer'];
              return jsonAnswer(answers ? 200 : 503, { status: answers ? 'ready' : 'not ready', problems });
            },
            '/metrics': async () => ({
              status: 200,
              type: registry.contentType,
              body: await registry.metrics(),
            }),
          },
        });
  try {
    const address = await app.listen({ host: config.web.host, port: config.web.port });
    log.info({ address }, 'taking events');
    await stopSignal.promise;
  } finally {
    await app.close();
    await gateway.close();
    await health?.close();
    stopSignal.dispose();
  }
}
