import { Command, CommanderError, Option } from 'commander';
import { printLine } from './lib/output';
import { versionText } from './lib/version';
import { SETTINGS, type Setting } from '../lib/settings-table';
import { addVerbs, type VerbFile, type Verbs } from './verbs';

/* eslint-disable @typescript-eslint/no-require-imports -- `import()` would start the loader of ES modules as well */
const VERBS: Verbs = {
  init: () => require('./verbs/installation/init') as VerbFile,
  grow: () => require('./verbs/installation/grow') as VerbFile,
  size: () => require('./verbs/installation/size') as VerbFile,
  consume: () => require('./verbs/usage/consume') as VerbFile,
  publish: () => require('./verbs/usage/publish') as VerbFile,
  gateway: () => require('./verbs/usage/gateway') as VerbFile,
  bridge: () => require('./verbs/usage/bridge') as VerbFile,
  totals: () => require('./verbs/usage/totals') as VerbFile,
  catalog: () => require('./verbs/billing/catalog') as VerbFile,
  projects: () => require('./verbs/billing/projects/projects') as VerbFile,
  close: () => require('./verbs/billing/close') as VerbFile,
  invoices: () => require('./verbs/billing/invoices/invoices') as VerbFile,
  explain: () => require('./verbs/usage/explain') as VerbFile,
  'dead-letters': () => require('./verbs/usage/dead-letters') as VerbFile,
  alerts: () => require('./verbs/billing/alerts') as VerbFile,
  keys: () => require('./verbs/installation/keys') as VerbFile,
  rebuild: () => require('./verbs/installation/rebuild') as VerbFile,
  verify: () => require('./verbs/usage/verify') as VerbFile,
  top: () => require('./verbs/installation/top') as VerbFile,
  doctor: () => require('./verbs/installation/doctor') as VerbFile,
  healthcheck: () => require('./verbs/installation/healthcheck') as VerbFile,
  serve: () => require('./verbs/installation/serve') as VerbFile,
  token: () => require('./verbs/installation/token') as VerbFile,
  completion: () => require('./verbs/installation/completion') as VerbFile,
};
/* eslint-enable @typescript-eslint/no-require-imports */
const AFTER_ERROR = 'Run with --help for the options and examples.';

/**
 * The command line, not yet run: completion and tests walk through it.
 * @param called the words after the program's name. Only the verb that they name is loaded; without
 *   words, all are.
 */
export function createProgram(called: readonly string[] = []): Command {
  const program = new Command('tallyman')
    .description('Turn usage events on Kafka into exact monthly totals and invoices.')
    .showHelpAfterError(AFTER_ERROR)
    .addOption(new Option('--version', 'show the version'))
    .on('option:version', () => {
      printLine(versionText());
      throw new CommanderError(0, 'commander.version', '');
    })
    .addHelpText('afterAll', ({ command }) => settingsHelp(command))
    .exitOverride();
  addVerbs(program, VERBS, called).commands.forEach(inheritExitOverride);
  return program;
}

/**
 * Commander exits the process by itself unless each command, not only the program, is set to throw.
 */
function inheritExitOverride(command: Command): void {
  command.exitOverride().showHelpAfterError(AFTER_ERROR);
  command.commands.forEach(inheritExitOverride);
}

/** The settings that a verb reads by name; those of the whole program with what they are for. */
function settingsHelp(command: Command): string {
  let verb = command;
  while (verb.parent?.parent) verb = verb.parent;
  const all = Object.entries<Setting<unknown>>(SETTINGS);
  if (verb.parent) {
    const read = all.filter(([, { verbs }]) => verbs.includes(verb.name())).map(([name]) => name);
    if (read.length === 0) return '';
    return `\nSettings, from the environment (\`tallyman --help\` describes them):\n${wrapped(read.join(' '))}`;
  }
  const width = Math.max(...all.map(([name]) => name.length));
  const lines = all.map(([name, { purpose, fallback }]) => {
    const text = purpose.replaceAll('`', '');
    return `  ${name.padEnd(width)}  ${text}${fallback ? ` (default: ${fallback})` : ''}`;
  });
  return ['\nSettings, from the environment:', ...lines].join('\n');
}

const HELP_WIDTH = 100;

function wrapped(words: string): string {
  return words.replace(new RegExp(`(.{1,${HELP_WIDTH - 2}})(?: |$)`, 'g'), '  $1\n').trimEnd();
}
