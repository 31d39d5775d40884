import { Command, Option, InvalidArgumentError } from 'commander';
import { measureClose } from './close';
import { measureFreshness } from './freshness';
import { measureGrowth } from './growth';
import { measureQuota } from './quota';
import { createResults } from './results';
import { startKafka } from './servers';
import { measureStartUp } from './start-up';
import { ENGINES, measureThroughput, type Engine } from './throughput';

interface Flags {
  readonly events: number;
  readonly projects: readonly number[];
  readonly partitions: number;
  readonly runs: number;
  readonly seed: number;
  readonly engines: readonly Engine[];
  readonly rate: number;
  readonly seconds: number;
  readonly ids: readonly number[];
  readonly closes: readonly number[];
  readonly save?: true;
}

async function bench(sections: readonly string[], flags: Flags): Promise<void> {
  const results = createResults();
  const kafka = await startKafka();
  try {
    const add = (result: object): void => results.add(result);
    for (const projects of sections.includes('throughput') ? flags.projects : []) {
      await measureThroughput(kafka, { ...flags, projects }, add);
    }
    if (sections.includes('freshness')) await measureFreshness(kafka, { ...flags, projects: 20_000 }, add);
    if (sections.includes('growth')) await measureGrowth(kafka, flags.ids, add);
    if (sections.includes('start-up')) await measureStartUp(kafka, START_UP_PARTITIONS, add);
    for (const projects of sections.includes('close') ? flags.closes : []) {
      await measureClose(kafka, projects, add);
    }
    if (sections.includes('quota')) await measureQuota(kafka, add);
  } finally {
    await kafka.stop();
  }
  results.printTables();
  if (flags.save) results.save();
}

const SECTIONS = ['throughput', 'freshness', 'growth', 'start-up', 'close', 'quota'];
const START_UP_PARTITIONS = 100;

new Command('bench')
  .description('Measure Tallyman on this machine: real Kafka, real Redis, everything checked by the oracle.')
  .argument('[sections...]', `of ${SECTIONS.join(', ')}; all by default`)
  .option('--events <n>', 'records in the log', positiveInteger, 2_000_000)
  .option('--projects <n,...>', 'numbers of projects', positiveIntegers, [20_000, 100])
  .option('--partitions <n>', 'partitions of each topic', positiveInteger, 12)
  .option('--runs <n>', 'times that each engine runs', positiveInteger, 1)
  .option('--seed <n>', 'of the workload', positiveInteger, 20_261)
  .addOption(
    new Option('--engines <names>', `of ${ENGINES.join(', ')}`)
      .default([...ENGINES])
      .argParser((text) => text.split(',').map((name) => engineNamed(name.trim()))),
  )
  .option('--rate <n>', 'freshness: events a second', positiveInteger, 20_000)
  .option('--seconds <n>', 'freshness: how long each situation is watched', positiveInteger, 20)
  .option('--ids <n,...>', 'growth: ids held', positiveIntegers, [100_000, 1_000_000, 10_000_000])
  .option('--closes <n,...>', 'close: numbers of projects', positiveIntegers, [1_000, 10_000, 100_000])
  .option('--save', 'write the results to bench/results')
  .action((sections: string[], flags: Flags) => bench(sections.length > 0 ? sections : SECTIONS, flags))
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(
      `bench failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = 1;
  });

function engineNamed(name: string): Engine {
  const found = ENGINES.find((engine) => engine === name);
  if (!found) throw new InvalidArgumentError(`"${name}" is none of ${ENGINES.join(', ')}.`);
  return found;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError(`"${text}" is no positive integer.`);
  return Number(text);
}

function positiveIntegers(text: string): number[] {
  return text.split(',').map(positiveInteger);
}
