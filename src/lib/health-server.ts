import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { TallymanError } from './errors';
import type { Logger } from './logger';

export interface HealthServerOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Handlers by path. Other paths are answered with 404. */
  readonly routes: Readonly<Record<string, () => HealthAnswer | Promise<HealthAnswer>>>;
}

export interface HealthAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** What `/readyz` answers, whatever the process does: the state, and each problem in one shape. */
export interface Readiness {
  readonly ready: boolean;
  readonly problems: readonly { readonly code: string; readonly subject: string; readonly detail: string }[];
}

/**
 * Serves the probes and metrics of a process on a port of their own, if one is set.
 */
export async function serveProbes(
  { host, port }: { readonly host: string; readonly port: number | undefined },
  readiness: () => Readiness | Promise<Readiness>,
  metrics: { readonly contentType: string; metrics(): Promise<string> },
  logger: Logger,
): Promise<HealthServer | undefined> {
  if (port === undefined) return undefined;
  const server = await startHealthServer({ host, port, routes: probeRoutes(readiness, metrics) });
  logger.info({ host, port: server.port }, 'answering probes');
  return server;
}

/** What a process that counts nothing of its own serves as metrics. */
export function processMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** The three routes that probes and scrapers ask any process for. */
function probeRoutes(
  readiness: () => Readiness | Promise<Readiness>,
  metrics: { readonly contentType: string; metrics(): Promise<string> },
): HealthServerOptions['routes'] {
  return {
    '/healthz': () => jsonAnswer(200, { alive: true }),
    '/readyz': async () => {
      const answer = await readiness();
      return jsonAnswer(answer.ready ? 200 : 503, answer);
    },
    '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.metrics() }),
  };
}

const jsonAnswer = (status: number, document: unknown): HealthAnswer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(document)}\n`,
});

/**
 * Serves health and metrics.
 *
 * @throws TallymanError `HEALTH_PORT_TAKEN` when it cannot listen there
 */
async function startHealthServer({ host, port, routes }: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (!route || (request.method !== 'GET' && request.method !== 'HEAD')) {
      send(response, jsonAnswer(404, { error: 'not found' }));
      return;
    }
    Promise.resolve()
      .then(route)
      .catch((error: unknown) => jsonAnswer(500, { error: String(error) }))
      .then((answer) => send(response, answer))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new TallymanError(
          'HEALTH_PORT_TAKEN',
          `TALLYMAN_HEALTH_PORT: cannot listen on ${host}:${port}: ${error.message}. Set it to a free port.`,
          { host, port },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, { status, type, body }: HealthAnswer): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}
