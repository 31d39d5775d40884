import { Command, Option, InvalidArgumentError } from 'commander';
import { startKafka } from './servers';
import { createResults } from './results';
import { ENGINES, measureThroughput, type Engine } from './throughput';

interface Flags {
  readonly events: number;
  readonly projects: readonly number[];
  readonly partitions: number;
  readonly runs: number;
  readonly seed: number;
  readonly engines: readonly Engine[];
  readonly save?: true;
}

async function bench(sections: readonly string[], flags: Flags): Promise<void> {
  const results = createResults();
  const kafka = await startKafka();
  try {
    if (sections.includes('throughput')) {
      for (const projects of flags.projects) {
        await measureThroughput(kafka, { ...flags, projects }, (result) => results.add(result));
      }
    }
  } finally {
    await kafka.stop();
  }
  results.printTables();
  if (flags.save) results.save();
}

const SECTIONS = ['throughput'];

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
