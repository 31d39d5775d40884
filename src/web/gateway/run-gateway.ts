import type { Context } from '../../installation/context';
import { watchRevocations } from '../../installation/revocations';
import { publisherAtNeed } from '../../kafka/producer';
import { processMetrics, serveProbes } from '../../lib/health-server';
import { deferred } from '../../lib/process/deferred';
import { signalled } from '../../lib/process/stop-signal';
import { createBridge } from '../../livekit/bridge';
import { createTokens, type RevocationCheck } from '../http/tokens';
import { createGateway } from './gateway';
import { createGatewayServer } from './gateway-server';

export interface RunGatewayOptions {
  /** Checks the tokens of clients that post events. If undefined, no events are accepted. */
  readonly authSecret: string | undefined;
  /** Whether LiveKit sessions whose end never comes are ended, which needs Redis. */
  readonly watches?: boolean;
}

/** Accepts events, and LiveKit's webhooks if keys are set, until a signal or a fatal error. */
export async function runGateway(
  context: Context,
  { authSecret, watches }: RunGatewayOptions,
): Promise<void> {
  const { config, logger } = context;
  const kafka = context.kafka();
  const fatal = deferred<never>();
  const registry = processMetrics();
  const publisher = publisherAtNeed(kafka);
  const gateway = createGateway({ config, logger, publisher, registry, nowMs: Date.now });
  const bridge =
    config.livekit.keys.size === 0
      ? undefined
      : createBridge({
          ...{ config, kafka, publisher, registry, logger },
          store: watches ? await context.store() : undefined,
          onFatal: (error) => fatal.reject(error),
        });
  const revocations =
    authSecret === undefined ? undefined : await watchRevocations(kafka, config.prefix, logger);
  const isRevoked: RevocationCheck = (token) => revocations?.isRevoked(token);
  const app = await createGatewayServer({
    config,
    logger,
    ...(authSecret !== undefined && {
      events: { gateway, tokens: createTokens(authSecret, isRevoked), authSecret },
    }),
    receiver: bridge?.receiver,
  });
  // Readiness does not depend on Kafka: a gateway that is taken out of service could not keep
  // webhooks while Kafka is away.
  const health = await serveProbes(config.health, () => ({ ready: true, problems: [] }), registry, logger);
  const stopSignal = signalled();
  try {
    const address = await app.listen({ host: config.web.host, port: config.web.port });
    logger.info(
      { address, events: authSecret !== undefined, livekit: bridge !== undefined },
      'accepting events',
    );
    // Mapping starts after the server listens, because webhooks are kept while Kafka is away.
    bridge?.startMapping().catch((error: unknown) => fatal.reject(error));
    await Promise.race([stopSignal.promise, fatal.promise]);
  } finally {
    await app.close();
    await bridge?.close();
    revocations?.stop();
    await gateway.close();
    await publisher.close();
    await health?.close();
    stopSignal.dispose();
  }
}
