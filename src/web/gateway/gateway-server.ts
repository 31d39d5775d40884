import type { FastifyInstance } from 'fastify';
import type { Config } from '../../lib/config';
import type { Logger } from '../../lib/logger';
import type { WebhookReceiver } from '../../livekit/receive-webhooks';
import { registerApiDocument } from '../api/api-document';
import { createBaseApp } from '../http/base-app';
import { registerFairQueue } from '../http/fair-queue';
import { registerRateLimit } from '../http/rate-limit';
import { registerPacedRefusals } from '../http/refusals/paced-refusals';
import { registerSessions } from '../http/sessions';
import type { Tokens } from '../http/tokens';
import type { Gateway } from './gateway';
import { registerLiveKitWebhooks } from './livekit-route';

export interface GatewayServerOptions {
  readonly config: Pick<Config, 'web'>;
  readonly logger: Logger;
  /** Accepts events from clients with a token. Without it, no events are accepted. */
  readonly events?: { readonly gateway: Gateway; readonly tokens: Tokens; readonly authSecret: string };
  /** Accepts webhooks that LiveKit signed. Without it, no webhooks are accepted. */
  readonly receiver?: WebhookReceiver | undefined;
}

/** A server that accepts events and shows nothing. The caller starts and closes it. */
export async function createGatewayServer(options: GatewayServerOptions): Promise<FastifyInstance> {
  const { events, receiver } = options;
  const app = await createBaseApp(options);
  if (receiver) registerLiveKitWebhooks(app, receiver);
  if (events) {
    await registerRateLimit(app);
    registerSessions(app, events);
    registerFairQueue(app);
    registerPacedRefusals(app);
    await registerApiDocument(app);
    events.gateway.register(app);
  }
  await app.after(); // Routes of a scope of their own exist only then.
  app.refuseOtherMethods();
  return app;
}
