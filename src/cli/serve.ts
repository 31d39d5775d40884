import { Command } from 'commander';
import { loadCatalog } from '../catalog-file';
import { UsageError } from '../errors';
import { watchLog } from '../watch/log-position';
import { createServer } from '../web/server';
import { createTokens } from '../web/tokens';
import { withContext, type Context } from './context';
import { signalled } from './signalled';

export function serveVerb(): Command {
  return new Command('serve')
    .description('Serve the billing page, the API and the health of the installation.')
    .addHelpText(
      'after',
      `
TALLYMAN_AUTH_SECRET (32 bytes or more) signs and checks tokens; TALLYMAN_HOST and TALLYMAN_PORT say where to listen.

Examples:
  TALLYMAN_AUTH_SECRET=$(openssl rand -hex 32) tallyman serve
  tallyman token acme --role admin          a token for /login?token=... or for the API`,
    )
    .action(() => withContext(serve));
}

async function serve(context: Context): Promise<void> {
  const { config, log, calendar } = context;
  const authSecret = needAuthSecret(context);
  const { catalog } = loadCatalog(config.catalogPath);
  const store = await context.store();
  const kafka = context.kafka();
  const stopSignal = signalled();
  const logWatch = watchLog(kafka, store, config.prefix, log);
  const app = await createServer({
    ...{ config, log, calendar, catalog, kafka, store, logWatch, authSecret },
    tokens: createTokens(authSecret),
    nowMs: Date.now,
  });
  try {
    const address = await app.listen({ host: config.web.host, port: config.web.port });
    log.info({ address }, 'serving');
    await stopSignal.promise;
  } finally {
    await app.close();
    await logWatch.stop();
    stopSignal.dispose();
  }
}

/** @throws UsageError `AUTH_SECRET_MISSING`; a weak one is refused with the rest of the settings */
export function needAuthSecret({ config }: Pick<Context, 'config'>): string {
  const { authSecret } = config.web;
  if (authSecret !== undefined) return authSecret;
  throw new UsageError(
    'AUTH_SECRET_MISSING',
    'TALLYMAN_AUTH_SECRET is not set: anybody could sign in with a secret that everybody knows. Set 32 random bytes or more, e.g. from `openssl rand -hex 32`.',
  );
}
