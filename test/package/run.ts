import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { startServices } from '../../src/dev/services/services';
import { codeBlocks } from '../kit/code-blocks';
import { pack } from '../kit/packed';
import { inRunMonth, readmeCommands, runMonth, SAMPLE } from '../kit/readme';

/**
 * npm run test:package [-- 20 24]
 *
 * Installs the packed package into an empty folder, once with each Node, and runs the commands that
 * README.md lists under "Use it" there. Node comes as an npm package.
 */
const MAJORS = ['20', '22', '24'];
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const majors = process.argv.slice(2).length > 0 ? process.argv.slice(2) : MAJORS;
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-package-'));
  try {
    const { tarball, size } = pack(folder);
    say(`packed: ${size} bytes`);
    const services = await startServices({ log: say, docker: 'compose' });
    try {
      for (const major of majors) {
        const startedAt = performance.now();
        runWith(nodeOf(major, folder), tarball, mkdtempSync(join(folder, `install-${major}-`)), {
          KAFKA_BROKERS: services.brokers.join(','),
          REDIS_URL: services.redisUrl,
          TALLYMAN_PREFIX: `package${major}-${Date.now()}`,
        });
        say(`Node ${major}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
      }
    } finally {
      await services.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The folder of a Node's program. */
function nodeOf(major: string, folder: string): string {
  const at = join(folder, `node-${major}`);
  mkdirSync(at);
  const name = `node-${process.platform}-${process.arch}`;
  execFileSync('npm', ['install', '--prefix', at, '--ignore-scripts', `${name}@${major}`], { stdio: 'pipe' });
  return join(at, 'node_modules', name, 'bin');
}

function runWith(node: string, tarball: string, folder: string, settings: NodeJS.ProcessEnv): void {
  const env = { ...process.env, PATH: `${node}${delimiter}${process.env['PATH'] ?? ''}`, ...settings };
  const run = (command: string): string => {
    say(`  $ ${command}`);
    return execFileSync('sh', ['-c', command], { cwd: folder, env, encoding: 'utf8' });
  };
  say(`Node ${run('node --version').trim()}`);
  run('npm init -y');
  run(`npm install --engine-strict --omit=dev ${tarball}`);
  say(`  ${run('du -sk node_modules').split('\t')[0]!} KiB in node_modules`);

  const sample = join(folder, 'node_modules/tallyman', SAMPLE);
  writeFileSync(sample, inRunMonth(readFileSync(sample, 'utf8')));
  const printed = new Map(commands().map((command) => [command, run(command)]));
  const outputOf = (words: string): string =>
    [...printed]
      .filter(([command]) => command.includes(words))
      .map(([, output]) => output)
      .join('');
  expectText(outputOf('totals'), 'session.webrtc', '120');
  expectText(outputOf('invoices show'), `acme-${runMonth}`, '50.00');
  expectText(outputOf('explain'), 'PA_8sJ2k1');
  run(`npx tallyman invoices pdf acme-${runMonth} --output invoice.pdf`);
  expectText(readFileSync(join(folder, 'invoice.pdf'), 'latin1'), '%PDF-');

  writeFileSync(join(folder, 'example.mjs'), codeBlocks('library.md', 'js')[0]!);
  expectText(run('node example.mjs').replaceAll('\r', ''), codeBlocks('library.md', 'text')[0]!.trim());
}

/** The README's commands, as they are typed where the package is installed. */
const commands = (): string[] =>
  readmeCommands().map((command) =>
    command
      .replace('npm run -s tallyman --', 'npx tallyman')
      .replace('npm start', 'npx tallyman consume --until-caught-up')
      .replace(SAMPLE, `node_modules/tallyman/${SAMPLE}`),
  );

function expectText(output: string, ...texts: string[]): void {
  const missing = texts.filter((text) => !output.includes(text));
  if (missing.length > 0) throw new Error(`printed without ${missing.join(', ')}:\n${output}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`FAILED: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
