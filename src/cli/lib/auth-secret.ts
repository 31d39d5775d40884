import { TallymanError } from '../../lib/errors';
import type { Config } from '../../lib/config';

/**
 * @throws TallymanError `AUTH_SECRET_MISSING`; a weak one is refused with the rest of the settings
 */
export function needAuthSecret({ config }: { readonly config: Config }): string {
  const { authSecret } = config.web;
  if (authSecret !== undefined) return authSecret;
  throw new TallymanError(
    'AUTH_SECRET_MISSING',
    'TALLYMAN_AUTH_SECRET is not set, and there is no default, because anybody could sign in with it. Set 32 random bytes or more, e.g. from `openssl rand -hex 32`.',
  );
}
