import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import { publisherAtNeed } from '../../kafka/producer';
import { keepLinkMarks } from '../../redis/sign-ins';
import { registerApiDocument } from '../api/api-document';
import { registerApi } from '../api/api-routes';
import { registerInstallationApi } from '../api/installation-routes';
import { registerProjectApi } from '../api/project-routes';
import { createInstallationLists } from '../../ops/lists/installation-lists';
import { BODY_LIMIT_BYTES, createBaseApp } from './base-app';
import { sendConditional } from './conditional-requests';
import type { WebDependencies } from './dependencies';
import { apiDocsPage, type ApiDescription } from '../pages/api-docs-page';
import { page, sendPage } from '../pages/layout';
import { registerPages, sendProblemPage } from '../pages/routes';
import { registerCompression } from '../plugins/compression';
import { registerCors } from '../plugins/cors';
import { registerFairQueue } from './fair-queue';
import { registerRateLimit } from './rate-limit';
import { registerPacedRefusals } from './refusals/paced-refusals';
import { refuseUnknownProjects } from './refusals/unknown-projects';
import { registerSessions } from './sessions';
import { registerStaticFiles } from './static-files';
import { createGateway } from '../gateway/gateway';
import { createUsageStreams } from '../api/usage-stream';

/**
 * The billing page and the API of an installation. The caller starts and closes the server.
 */
export async function createServer(web: WebDependencies): Promise<FastifyInstance> {
  const app = await createBaseApp({ ...web, sendProblemPage });
  await app.register(formbody, { bodyLimit: BODY_LIMIT_BYTES });
  await registerCompression(app);
  registerCors(app, web.config.web.corsOrigins);
  await keepLinkMarks(web.store).catch((error: unknown) =>
    web.logger.warn({ err: error }, 'Redis takes no sign-in links now'),
  );
  await registerRateLimit(app);
  registerSessions(app, web);
  registerFairQueue(app);
  registerPacedRefusals(app);
  await registerApiDocument(app);
  refuseUnknownProjects(app, web);

  const streams = createUsageStreams(web);
  app.addHook('preClose', () => streams.close());
  const publisher = publisherAtNeed(web.kafka);
  const gateway = createGateway({ ...web, publisher });
  app.addHook('onClose', async () => {
    await gateway.close();
    await publisher.close();
  });
  gateway.register(app);
  const lists = createInstallationLists(web);
  registerApi(app, web, streams);
  registerProjectApi(app, web);
  registerInstallationApi(app, web, lists);
  registerStaticFiles(app);
  registerPages(app, web, streams, lists);
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
    void reply.type('application/json; charset=utf-8');
    return sendConditional(request, reply, JSON.stringify(app.swagger()));
  });
  app.get('/docs', { schema: { hide: true } }, (request, reply) => {
    const session = request.tokenAnswer?.ok === true ? request.tokenAnswer.session : undefined;
    const description = app.swagger() as unknown as ApiDescription;
    return sendPage(
      reply,
      page({ title: 'API', session, formProof: request.formProof }, apiDocsPage(description)),
    );
  });
  await app.after(); // Routes of a scope of their own exist only then.
  app.refuseOtherMethods();
  return app;
}
