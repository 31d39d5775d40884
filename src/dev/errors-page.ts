import { writeFileSync } from 'node:fs';
import { ERRORS, HOLDS } from '../lib/error-codes';

/** `docs/errors.md`, which is made of the table of error codes. */
export function errorsPage(): string {
  const codes = Object.entries(ERRORS).sort(([a], [b]) => (a < b ? -1 : 1));
  const holds = Object.entries(HOLDS).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '# Errors',
    '',
    '<!-- Generated from src/lib/error-codes.ts by `npm run docs:errors`. -->',
    '',
    'A command that cannot do its work prints one line on stderr, which ends with a code in brackets, and exits with',
    '1 (failed), 2 (wrong usage) or 3 (refused by a rule). Codes are stable: scripts and alerts may rely on them.',
    '[The operations guide](operating.md) describes how to recover from the errors that stop a consumer.',
    '',
    '| code | exit | what happened | what to do |',
    '|---|---|---|---|',
    ...codes.map(([code, { exit, meaning, remedy }]) => `| \`${code}\` | ${exit} | ${meaning} | ${remedy} |`),
    '',
    '`init`, `rebuild` and `verify --follow` exit with 3 for `REDIS_EMPTIED` and `TOPIC_REPLACED`: they refuse to begin.',
    '',
    '## Held projects',
    '',
    'A close does not issue the invoice of a project that it cannot price. It prints one of these codes, or one of those',
    'above, with the remedy, and issues the invoices of all other projects.',
    '',
    '| code | why the project is held |',
    '|---|---|',
    ...holds.map(([code, meaning]) => `| \`${code}\` | ${meaning} |`),
    '',
  ].join('\n');
}

if (require.main === module) writeFileSync('docs/errors.md', errorsPage());
