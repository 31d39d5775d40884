import { Command, InvalidArgumentError, Option } from 'commander';
import { TallymanError } from '../../../lib/errors';
import { readConfig } from '../../../lib/config';
import { parseSpan } from '../../../lib/text/duration-text';
import { createTokens } from '../../../web/http/tokens';
import { durationOption, projectArgument } from '../../lib/arguments';
import { needAuthSecret } from '../../lib/auth-secret';
import { printJson, printLine } from '../../lib/output';

interface TokenOptions {
  readonly role: 'admin' | 'member' | 'producer' | 'ops';
  readonly expires: number;
  readonly subject?: string;
  readonly json?: true;
}

export function verb(): Command {
  return new Command('token')
    .description('Make a token for the page and the API.')
    .argument(
      '[projects...]',
      'project ids; none for ops, or for a producer of all projects',
      (text: string, before: string[] = []) => [...before, projectArgument(text)],
    )
    .addOption(
      new Option('--role <role>', 'admin, member or producer of the projects; ops for the whole installation')
        .choices(['admin', 'member', 'producer', 'ops'])
        .makeOptionMandatory(),
    )
    .addOption(durationOption('--expires <duration>', 'how long the token is valid', '30d', expiresArgument))
    .option('--subject <who>', 'the person or program that it is for; the role by default')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
A token cannot be revoked before it expires. A new TALLYMAN_AUTH_SECRET revokes all of them.

Examples:
  tallyman token acme --role admin --expires 12h
  tallyman token acme globex --role member
  tallyman token acme --role producer       for POST /v1/events
  tallyman token --role ops`,
    )
    .action((projects: string[] | undefined, options: TokenOptions) => makeToken(projects ?? [], options));
}

function makeToken(projects: readonly string[], { role, expires, subject, json }: TokenOptions): void {
  if (role === 'ops' && projects.length > 0) {
    throw new TallymanError(
      'BAD_TOKEN',
      'A token of the role ops is for the whole installation: name no project.',
    );
  }
  if (role !== 'ops' && role !== 'producer' && projects.length === 0) {
    throw new TallymanError('BAD_TOKEN', `A token of the role ${role} is for projects: name one or more.`);
  }
  const expiresAtMs = Date.now() + expires;
  const token = createTokens(needAuthSecret({ config: readConfig() })).sign({
    subject: subject ?? role,
    expiresAtMs,
    ...(role === 'ops' || (role === 'producer' && projects.length === 0)
      ? { role }
      : { projects: Object.fromEntries(projects.map((project) => [project, role])) }),
  });
  if (json) printJson({ token, role, projects, expiresAt: new Date(expiresAtMs).toISOString() });
  else printLine(token);
}

function expiresArgument(text: string): number {
  const spanMs = parseSpan(text);
  if (spanMs === undefined || spanMs < 1000) {
    throw new InvalidArgumentError(`"${text}" is not a duration: write e.g. 12h or 30d.`);
  }
  return spanMs;
}
