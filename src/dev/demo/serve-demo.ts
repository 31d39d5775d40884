import { randomBytes } from 'node:crypto';
import { printLine } from '../../cli/lib/output';
import { signalled } from '../../lib/process/stop-signal';
import { createTokens, LINK_VALID_MS } from '../../web/http/tokens';
import { freePort } from '../services/free-port';
import { heading, startVerb } from './demo-steps';

const DAY_MS = 86_400_000;

export interface DemoPage {
  readonly env: NodeJS.ProcessEnv;
  /** The projects that the page's admin may see. */
  readonly projects: readonly string[];
  /** Adds usage until it is stopped. */
  readonly goesOn: (isStopped: () => boolean) => Promise<void>;
}

/**
 * The last step of a demo: serves its page until Ctrl-C, or prints the command that does.
 *
 * @param words the words of the demo before `--serve`
 */
export async function showPage(serves: boolean, words: readonly string[], page: DemoPage): Promise<void> {
  heading('The billing page');
  if (serves) return serveDemo(page);
  const command = `npm run demo -- ${[...words, '--serve'].join(' ')}`;
  printLine(`  \`${command}\` keeps everything running and serves the page, with usage that keeps arriving.`);
}

/** Serves the page for the demo's installation, with usage that keeps arriving, until Ctrl-C. */
async function serveDemo({ env, projects, goesOn }: DemoPage): Promise<void> {
  const secret = randomBytes(32).toString('hex');
  const port = await freePort();
  const served = { ...env, TALLYMAN_AUTH_SECRET: secret, TALLYMAN_PORT: String(port) };
  const stop = signalled();
  const running = ['consume', 'serve'].map((verb) => startVerb(served, [verb]));
  try {
    const tokens = createTokens(secret);
    const sessionExpiresAtMs = Date.now() + DAY_MS;
    const until = { expiresAtMs: Date.now() + LINK_VALID_MS, sessionExpiresAtMs };
    printLine('  Each link signs in once, within 15 minutes.');
    const link = (token: string): string => `http://127.0.0.1:${port}/login?token=${token}`;
    printLine(`  as the admin of ${projects.join(', ')}:`);
    const roles = Object.fromEntries(projects.map((project) => [project, 'admin' as const]));
    printLine(`    ${link(tokens.sign({ subject: 'demo admin', projects: roles, ...until }))}`);
    printLine('  as the operator of the installation:');
    printLine(`    ${link(tokens.sign({ subject: 'demo ops', role: 'ops', ...until }))}`);
    printLine('  Usage keeps arriving. Ctrl-C stops everything.');
    const usage = goesOn(() => stop.stopped());
    await Promise.race([usage, stop.promise, ...running.map(({ ended }) => ended)]);
  } finally {
    await Promise.all(running.map((verb) => verb.stop()));
    stop.dispose();
  }
}
