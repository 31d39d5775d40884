import { randomUUID } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { TallymanError } from '../../../lib/errors';
import { readConfig } from '../../../lib/config';
import { parseDuration } from '../../../lib/text/duration-text';
import { createTokens, LINK_VALID_MS } from '../../../web/http/tokens';
import { projectArgument } from '../../lib/arguments';
import { needAuthSecret } from '../../lib/auth-secret';
import { printJson, printLine } from '../../lib/output';
import { revokeVerb } from './revoke-token';

interface TokenOptions {
  readonly role?: 'admin' | 'member' | 'producer' | 'ops';
  readonly expires?: number;
  readonly link?: URL;
  readonly subject?: string;
  readonly json?: true;
}

const DAY_MS = 86_400_000;
const TOKEN_MS = 30 * DAY_MS;
const SESSION_MS = DAY_MS / 2;

export function verb(): Command {
  return new Command('token')
    .description('Make a token for the API or a sign-in link for the page, or revoke tokens.')
    .argument(
      '[projects...]',
      'project ids; none for ops, or for a producer of all projects',
      (text: string, before: string[] = []) => [...before, projectArgument(text)],
    )
    .addOption(
      new Option(
        '--role <role>',
        'admin, member or producer of the projects; ops for the whole installation',
      ).choices(['admin', 'member', 'producer', 'ops']),
    )
    .option('--link <url>', 'make a sign-in link for the page at this address', linkArgument)
    .option(
      '--expires <duration>',
      'how long the token is valid, or the session of a link lasts (default: 30d, 12h with --link)',
      expiresArgument,
    )
    .option('--subject <who>', 'the person or program that it is for; the role by default')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
A sign-in link works once, within 15 minutes. A new TALLYMAN_AUTH_SECRET revokes every token.

Examples:
  tallyman token acme --role admin --link https://billing.example.com --subject ann
  tallyman token acme globex --role member --expires 90d
  tallyman token acme --role producer       for POST /v1/events
  tallyman token --role ops
  tallyman token revoke --subject ann`,
    )
    .addCommand(revokeVerb())
    .action((projects: string[] | undefined, options: TokenOptions) => makeToken(projects ?? [], options));
}

function makeToken(projects: readonly string[], { role, expires, link, subject, json }: TokenOptions): void {
  if (role === undefined) {
    throw new TallymanError(
      'BAD_TOKEN',
      'Name the role of the token: --role admin, member, producer or ops.',
    );
  }
  if (role === 'ops' && projects.length > 0) {
    throw new TallymanError(
      'BAD_TOKEN',
      'A token of the role ops is for the whole installation: name no project.',
    );
  }
  if (role !== 'ops' && role !== 'producer' && projects.length === 0) {
    throw new TallymanError('BAD_TOKEN', `A token of the role ${role} is for projects: name one or more.`);
  }
  const lastsUntilMs = Date.now() + (expires ?? (link ? SESSION_MS : TOKEN_MS));
  const expiresAtMs = link ? Date.now() + LINK_VALID_MS : lastsUntilMs;
  const id = randomUUID();
  const token = createTokens(needAuthSecret({ config: readConfig() })).sign({
    ...{ id, subject: subject ?? role, expiresAtMs },
    ...(link && { sessionExpiresAtMs: lastsUntilMs }),
    ...(role === 'ops' || (role === 'producer' && projects.length === 0)
      ? { role }
      : { projects: Object.fromEntries(projects.map((project) => [project, role])) }),
  });
  const signInLink = link && new URL(`login?token=${token}`, link).href;
  const isoOf = (ms: number): string => new Date(ms).toISOString();
  if (!json) printLine(signInLink ?? token);
  else
    printJson({
      ...{ id, token, role, projects, expiresAt: isoOf(expiresAtMs) },
      ...(link && { link: signInLink, sessionExpiresAt: isoOf(lastsUntilMs) }),
    });
}

function linkArgument(text: string): URL {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new InvalidArgumentError(`"${text}" is not an address: write e.g. https://billing.example.com.`);
  }
  return new URL(text.endsWith('/') ? text : `${text}/`);
}

function expiresArgument(text: string): number {
  const spanMs = parseDuration(text);
  if (spanMs === undefined || spanMs < 1000) {
    throw new InvalidArgumentError(`"${text}" is not a duration: write e.g. 12h or 30d.`);
  }
  return spanMs;
}
