import type { FastifyInstance } from 'fastify';
import type { Config } from '../../lib/config';
import type { Log } from '../../lib/logger';
import { registerApiDocument } from '../api/api-document';
import { createBaseApp } from '../http/base-app';
import { registerRateLimit } from '../http/rate-limit';
import { registerSessions } from '../http/sessions';
import type { Tokens } from '../http/tokens';
import type { Gateway } from './gateway';

export interface GatewayServerOptions {
  readonly config: Pick<Config, 'web'>;
  readonly log: Log;
  readonly tokens: Tokens;
  readonly authSecret: string;
  readonly gateway: Gateway;
}

/** A server that takes events and shows nothing. The caller listens and closes. */
export async function createGatewayServer(options: GatewayServerOptions): Promise<FastifyInstance> {
  const app = await createBaseApp(options);
  registerSessions(app, options);
  await registerRateLimit(app);
  await registerApiDocument(app);
  options.gateway.register(app);
  return app;
}
