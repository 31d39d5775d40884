import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Config } from '../../lib/config';
import type { Logger } from '../../lib/logger';
import type { Publisher } from '../../kafka/producer';
import { registerEvents } from './events-route';
import { createGatewayMetrics } from './gateway-metrics';
import { createPublishQueue } from './publish-queue';

export interface GatewayOptions {
  readonly config: Pick<Config, 'prefix' | 'limits'>;
  readonly logger: Logger;
  readonly publisher: Publisher;
  readonly registry: Registry;
  readonly nowMs: () => number;
}

/** Accepts events over HTTP: as a part of `serve`, and alone in `gateway`. */
export interface Gateway {
  /** Adds the route to a server that reads tokens. */
  register(app: FastifyInstance): void;
  /** Waits for events that are on their way to Kafka. Call it when no more requests come. */
  close(): Promise<void>;
}

export function createGateway({ config, logger, publisher, registry, nowMs }: GatewayOptions): Gateway {
  const queue = createPublishQueue(publisher, (error) =>
    logger.warn(
      { err: error },
      'Kafka did not acknowledge events; their senders were told to send them again',
    ),
  );
  const metrics = createGatewayMetrics(registry, () => queue.waitingBytes);
  return {
    register: (app) => registerEvents(app, { config, queue, metrics, nowMs }),
    close: () => queue.drained(),
  };
}
