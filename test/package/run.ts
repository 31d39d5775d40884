import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { optionalDependencies } from '../../package.json';
import { startServices } from '../../src/dev/services/services';
import { registerCodecs } from '../../src/kafka/wire/codecs';
import { codeBlocks } from '../kit/code-blocks';
import { pack } from '../kit/packed';
import { inRunMonth, linesOf, readmeCommands, runMonth, SAMPLE } from '../kit/readme';

/**
 * npm run test:package [-- 20 24]
 *
 * Installs the packed package into an empty folder, once with each Node, and runs the commands that
 * README.md lists under "Use it" there. Node comes as an npm package. Then does the same without
 * optional packages, and in a fresh clone, where it also runs the commands of the pages for
 * operators.
 */
const MAJORS = ['20', '22', '24'];
const ROOT = join(__dirname, '../..');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Where an installation's Kafka and Redis are. */
type Settings = Readonly<Record<'KAFKA_BROKERS' | 'REDIS_URL' | 'TALLYMAN_PREFIX', string>>;

async function main(): Promise<void> {
  const majors = process.argv.slice(2).length > 0 ? process.argv.slice(2) : MAJORS;
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-package-'));
  try {
    const { tarball, size } = pack(folder);
    say(`packed: ${size} bytes`);
    const services = await startServices({ log: say, docker: 'compose' });
    const settings = (name: string): Settings => ({
      KAFKA_BROKERS: services.brokers.join(','),
      REDIS_URL: services.redisUrl,
      TALLYMAN_PREFIX: `${name}-${Date.now()}`,
    });
    const timed = async (name: string, run: () => void | Promise<void>): Promise<void> => {
      const startedAt = performance.now();
      await run();
      say(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    };
    const newFolder = (name: string): string => mkdtempSync(join(folder, `${name}-`));
    try {
      for (const major of majors) {
        const node = nodeOf(major, folder);
        await timed(`Node ${major}`, () =>
          installed(shell(newFolder('install'), settings('package'), node), tarball),
        );
      }
      await timed('Without optional packages', () =>
        withoutOptional(shell(newFolder('omit'), settings('omit')), tarball, settings('omit')),
      );
      await timed('Fresh clone', () => cloned(newFolder('clone'), settings('clone')));
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

/** Runs a command as it is typed in a folder; returns what it prints. */
interface Shell {
  readonly folder: string;
  (command: string, expectedExit?: number): string;
}

function shell(folder: string, settings: Settings, ...programs: string[]): Shell {
  const PATH = [...programs, process.env['PATH'] ?? ''].join(delimiter);
  const env = { ...process.env, ...settings, PATH };
  const run = (command: string, expectedExit = 0): string => {
    say(`  $ ${command}`);
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    if (status !== expectedExit) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
    return stdout + (expectedExit === 0 ? '' : stderr);
  };
  return Object.assign(run, { folder });
}

function installed(run: Shell, tarball: string): void {
  say(`Node ${run('node --version').trim()}`);
  install(run, `--engine-strict --omit=dev ${tarball}`);
  runReadme(run, inPackage);
  run(`npx tallyman invoices pdf acme-${runMonth} --out invoice.pdf`);
  expectText(readFileSync(join(run.folder, 'invoice.pdf'), 'latin1'), '%PDF-');

  writeFileSync(join(run.folder, 'example.mjs'), codeBlocks('library.md', 'js')[0]!);
  expectText(run('node example.mjs').replaceAll('\r', ''), codeBlocks('library.md', 'text')[0]!.trim());
}

function install(run: Shell, words: string): void {
  run('npm init -y');
  run(`npm install ${words}`);
  say(`  ${run('du -sk node_modules').split('\t')[0]!} KiB in node_modules`);
  const sample = join(run.folder, 'node_modules/tallyman', SAMPLE);
  writeFileSync(sample, inRunMonth(readFileSync(sample, 'utf8')));
}

const inPackage = (command: string): string =>
  command
    .replace('npm run -s tallyman --', 'npx tallyman')
    .replace('npm start', 'npx tallyman consume --until-caught-up')
    .replace(SAMPLE, `node_modules/tallyman/${SAMPLE}`);

function runReadme(run: Shell, typed: (command: string) => string): void {
  const printed = readmeCommands().map((command) => [command, run(typed(command))] as const);
  const outputOf = (words: string): string => printed.find(([command]) => command.includes(words))![1];
  expectText(outputOf('totals'), 'session.webrtc', '120');
  expectText(outputOf('invoices show'), `acme-${runMonth}`, '50.00');
  expectText(outputOf('explain'), 'PA_8sJ2k1', 'DUPLICATE');
}

async function withoutOptional(run: Shell, tarball: string, { KAFKA_BROKERS }: Settings): Promise<void> {
  install(run, `--omit=dev --omit=optional ${tarball}`);
  const found = Object.keys(optionalDependencies).filter((name) =>
    run(`ls -d node_modules/${name} 2>/dev/null || true`).includes(name),
  );
  if (found.length > 0) throw new Error(`--omit=optional left ${found.join(', ')}`);
  runReadme(run, inPackage);
  run(`npx tallyman invoices pdf acme-${runMonth} --out invoice.pdf`);
  expectText(readFileSync(join(run.folder, 'invoice.pdf'), 'latin1'), '%PDF-');

  const invoice = JSON.parse(run(`npx tallyman invoices show acme-${runMonth} --json`)) as object;
  writeFileSync(
    join(run.folder, 'japanese.json'),
    JSON.stringify({ ...invoice, buyer: { name: '株式会社テスト' } }),
  );
  const render = `node -e "require('./node_modules/tallyman/dist/src/pdf/invoice-pdf.js').renderInvoicePdf(require('./japanese.json')).then((pdf) => console.log(pdf.length), (error) => console.log(error.code))"`;
  expectText(run(render), 'FONT_MISSING');
  const font = '@fontsource-variable/noto-sans-jp';
  run(`npm install --omit=optional ${font}@${optionalDependencies[font]}`);
  if (!/^\d{4,}$/m.test(run(render))) throw new Error('the PDF was not made with the font installed');

  const topic = `${run('printenv TALLYMAN_PREFIX').trim()}.usage.session`;
  const publish = (compression: CompressionTypes): Promise<void> =>
    publishWith(compression, KAFKA_BROKERS.split(','), topic);
  const totals = (): string => run('npx tallyman totals globex');
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.LZ4])
    await publish(compression);
  run('npx tallyman consume --until-caught-up');
  expectText(totals(), '180');
  await publish(CompressionTypes.Snappy);
  expectText(run('npx tallyman consume --until-caught-up', 1), 'CODEC_MISSING', 'snappy');
  expectText(totals(), '180');
  run('npm install');
  run('npx tallyman consume --until-caught-up');
  expectText(totals(), '240');
}

/** One minute of a session, in a batch of its own. */
async function publishWith(compression: CompressionTypes, brokers: string[], topic: string): Promise<void> {
  registerCodecs();
  const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  const time = new Date().toISOString();
  const event = {
    ...{ specversion: '1.0', id: `compressed-${compression}`, source: '/sfu', type: 'usage.session.v1' },
    ...{ subject: 'globex', time, data: { service: 'webrtc', durationMs: 60_000 } },
  };
  await producer.send({ topic, compression, messages: [{ key: 'globex', value: JSON.stringify(event) }] });
  await producer.disconnect();
}

/** Commands that run on, or need what this machine lacks. */
const NOT_RUN =
  /\b(consume|gateway|serve|bridge)\b|alerts watch$|verify --(follow|every)|tallyman top$|\bjq\b|docker|kubectl|helm|HSET|HDEL/;
/** The pages for operators whose commands run one after the other on one installation. */
const PAGES = ['close', 'verify', 'redis-keys', 'web', 'monitor', 'repair'];

function cloned(folder: string, settings: Settings): void {
  execFileSync('git', ['clone', '--quiet', ROOT, folder]);
  writeFileSync(join(folder, SAMPLE), inRunMonth(readFileSync(join(folder, SAMPLE), 'utf8')));
  const run = shell(folder, settings);
  runReadme(run, (command) =>
    command.replace('npm start', 'npm run -s tallyman -- consume --until-caught-up'),
  );

  const bin = join(folder, 'node_modules/.typed');
  mkdirSync(bin);
  const program = `#!/bin/sh\nexec node '${join(folder, 'dist/src/cli/tallyman.js')}' "$@"\n`;
  writeFileSync(join(bin, 'tallyman'), program, { mode: 0o755 });
  const typed = shell(folder, settings, bin);
  const lines = PAGES.flatMap((page) => codeBlocks(`operating/${page}.md`, 'sh'))
    .flatMap((block) => linesOf(inRunMonth(block)))
    .filter((line) => !NOT_RUN.test(line));
  const exports = lines.filter((line) => line.startsWith('export ')).join('\n');
  for (const line of lines.filter((one) => !one.startsWith('export ')))
    typed(`${exports}\n${line.replace("'usage:", `'${settings.TALLYMAN_PREFIX}:usage:`)}`);
}

function expectText(output: string, ...texts: string[]): void {
  const missing = texts.filter((text) => !output.includes(text));
  if (missing.length > 0) throw new Error(`printed without ${missing.join(', ')}:\n${output}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`FAILED: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
