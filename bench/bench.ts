import { Argument, Command, Option, InvalidArgumentError } from 'commander';
import { measureClose } from './close';
import { measureDedup } from './dedup';
import { measureFreshness } from './freshness';
import { measureGateway } from './gateway';
import { measureGrowth } from './growth';
import { measureQuota } from './quota';
import { measureInstallation } from './size';
import { createResults } from './results';
import type { NativeService } from '../src/dev/services/service';
import { say, startKafka } from './servers';
import { measureStartUp } from './start-up';
import { measureTenants } from './tenants';
import { DEFAULT_ENGINES, ENGINES, measureThroughput, type Engine } from './throughput';

interface Sizes {
  readonly events: number;
  readonly projects: readonly number[];
  readonly seconds: number;
  readonly ids: readonly number[];
  readonly dedup: readonly number[];
  readonly closes: readonly number[];
  readonly posted: number;
}

interface Flags extends Partial<Sizes> {
  readonly partitions: number;
  readonly runs: number;
  readonly seed: number;
  readonly engines: readonly Engine[];
  readonly rate: number;
  readonly quick?: true;
  readonly save?: true;
}

const WHOLE: Sizes = {
  events: 2_000_000,
  projects: [20_000, 100, 1_000_000],
  seconds: 20,
  ids: [100_000, 1_000_000, 10_000_000, 50_000_000],
  dedup: [1_000_000, 10_000_000, 100_000_000],
  closes: [1_000, 10_000, 100_000, 1_000_000],
  posted: 400_000,
};
const QUICK: Sizes = {
  events: 300_000,
  projects: [20_000, 100],
  seconds: 8,
  ids: [100_000, 1_000_000],
  dedup: [1_000_000, 4_000_000],
  closes: [1_000, 10_000],
  posted: 100_000,
};

type Options = Sizes & Flags & { readonly sections: readonly string[] };
type Measure = (kafka: NativeService, options: Options, add: (result: object) => void) => Promise<void>;

const START_UP_PARTITIONS = 100;
/** Those of src/ops/size/coefficients.ts. */
const SIZED = { events: 300_000, ids: 1_000_000, close: 100_000, projects: [100, 20_000, 1_000_000] };

/** Each once a run. */
const SECTIONS: Readonly<Record<string, Measure>> = {
  async throughput(kafka, options, add) {
    for (const projects of options.projects) await measureThroughput(kafka, { ...options, projects }, add);
  },
  freshness: (kafka, options, add) => measureFreshness(kafka, { ...options, projects: 20_000 }, add),
  growth: (kafka, { ids }, add) => measureGrowth(kafka, ids, add),
  dedup: (_, { dedup }, add) => measureDedup(dedup, add),
  'start-up': (kafka, _, add) => measureStartUp(kafka, START_UP_PARTITIONS, add),
  async close(kafka, { closes }, add) {
    for (const projects of closes) await measureClose(kafka, projects, add);
  },
  gateway: (kafka, options, add) => measureGateway(kafka, { ...options, projects: 20_000 }, add),
  quota: (kafka, _, add) => measureQuota(kafka, add),
  size: (kafka, options, add) => measureSize(kafka, options, add),
  tenants: (kafka, options, add) => measureTenants(kafka, options, add),
};
/**
 * The rows that the coefficients of the sizing model are checked against, unless other sections add
 * them.
 */
async function measureSize(
  kafka: NativeService,
  options: Options,
  add: (result: object) => void,
): Promise<void> {
  await measureInstallation(kafka, { ...options, events: SIZED.events }, add);
  const isLeft = (section: string): boolean => !options.sections.includes(section);
  if (isLeft('growth')) await measureGrowth(kafka, [SIZED.ids], add);
  if (isLeft('close')) await measureClose(kafka, SIZED.close, add);
  for (const projects of isLeft('throughput') ? SIZED.projects : [])
    await measureThroughput(kafka, { ...options, projects, engines: ['tallyman'] }, add);
}

const NAMES = Object.keys(SECTIONS);

async function bench(names: readonly string[], flags: Flags): Promise<void> {
  const options: Options = { ...(flags.quick ? QUICK : WHOLE), ...flags, sections: names };
  const results = createResults();
  const kafka = await startKafka();
  try {
    for (const name of names) {
      const startedAt = performance.now();
      try {
        for (let run = 0; run < options.runs; run += 1)
          await SECTIONS[name]!(kafka, options, (result) => results.add(result));
      } catch (error) {
        fail(name, error); // What the others measured, in half an hour, is no less true.
      }
      say(`${name} took ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    }
  } finally {
    await kafka.stop();
  }
  const isOff = results.printTables();
  if (flags.save) results.save();
  if (isOff && names.includes('size')) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

new Command('bench')
  .description('Measure Tallyman on this machine: real Kafka, real Redis, everything checked by the oracle.')
  .addArgument(new Argument('[sections...]', 'all by default').choices(NAMES))
  .option('--quick', 'small sizes: to see that it works, or how a change does')
  .option('--events <n>', `records in the log (${WHOLE.events})`, positiveInteger)
  .option('--projects <n,...>', `numbers of projects (${WHOLE.projects.join(',')})`, positiveIntegers)
  .option('--partitions <n>', 'partitions of each topic', positiveInteger, 12)
  .option('--runs <n>', 'times that each section runs: figures are medians', positiveInteger, 1)
  .option('--seed <n>', 'of the workload', positiveInteger, 20_261)
  .addOption(
    new Option('--engines <names>', `of ${ENGINES.join(', ')}`)
      .default(DEFAULT_ENGINES, DEFAULT_ENGINES.join(','))
      .argParser((text) => text.split(',').map((name) => engineNamed(name.trim()))),
  )
  .option('--rate <n>', 'freshness: events a second', positiveInteger, 20_000)
  .option(
    '--seconds <n>',
    `freshness and tenants: how long each situation is watched (${WHOLE.seconds})`,
    positiveInteger,
  )
  .option('--ids <n,...>', `growth: ids held (${WHOLE.ids.join(',')})`, positiveIntegers)
  .option('--closes <n,...>', `close: numbers of projects (${WHOLE.closes.join(',')})`, positiveIntegers)
  .option('--posted <n>', `gateway: events in batches (${WHOLE.posted})`, positiveInteger)
  .option('--save', 'write the results to bench/results')
  .action((sections: string[], flags: Flags) => bench(sections.length > 0 ? sections : NAMES, flags))
  .parseAsync()
  .catch((error: unknown) => fail('bench', error))
  .finally(() => process.exit()); // A section that failed has left its servers running, which end with this process.

function fail(what: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${what} failed: ${text}\n`);
  process.exitCode = 1;
}

function engineNamed(name: string): Engine {
  const found = ENGINES.find((engine) => engine === name);
  if (!found) throw new InvalidArgumentError(`"${name}" is not one of ${ENGINES.join(', ')}.`);
  return found;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a positive integer.`);
  return Number(text);
}

function positiveIntegers(text: string): number[] {
  return text.split(',').map(positiveInteger);
}
