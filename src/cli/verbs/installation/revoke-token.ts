import { Command } from 'commander';
import type { Context } from '../../../installation/context';
import { TallymanError } from '../../../lib/errors';
import { createTokens } from '../../../web/http/tokens';
import { needAuthSecret } from '../../lib/auth-secret';
import { printJson, printLine } from '../../lib/output';

export function revokeVerb(): Command {
  return new Command('revoke')
    .description('Revoke tokens and the sessions that began with them, within seconds and for good.')
    .argument('[tokens...]', 'tokens, or their ids (`id` of `token --json`)')
    .option('--subject <who>', 'all tokens and sessions of this subject until now')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
A token that was made within half a minute after --subject is revoked as well, because clocks differ.

Examples:
  tallyman token revoke 7c3b2f3e-5f0c-4a8e-9a51-0a5f7c1f2b6d
  tallyman token revoke --subject ann`,
    )
    .action(async (given: string[], _: unknown, command: Command) => {
      // `token` itself has these options too, and takes them first.
      const { subject, json } = command.optsWithGlobals<{ subject?: string; json?: true }>();
      // Loaded only now, because the clients take longer than making a token.
      const { withContext } = await import('../../../installation/context.js');
      const { revoke } = await import('../../../installation/revocations.js');
      await withContext(async (context) => {
        const revoked = {
          tokens: given.map((token) => idOf(context, token)),
          subjects: subject === undefined ? [] : [subject],
        };
        if (given.length === 0 && subject === undefined)
          throw new TallymanError('BAD_TOKEN', 'Name what to revoke: tokens, or --subject.');
        await revoke(context.kafka(), context.config.prefix, revoked, Date.now());
        if (json) printJson(revoked);
        else printLine('Revoked. Every server refuses them within seconds.');
      });
    });
}

/**
 * The id in a token is read only if this installation signed it. An id that is given as such needs
 * no secret.
 */
function idOf(context: Pick<Context, 'config'>, given: string): string {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(given)) return given;
  const answer = createTokens(needAuthSecret(context)).verify(given);
  if (answer.ok) return answer.session.id;
  throw new TallymanError(
    'BAD_TOKEN',
    answer.reason === 'expired'
      ? 'The token has expired already.'
      : 'The token is not one of this installation: TALLYMAN_AUTH_SECRET did not sign it.',
  );
}
