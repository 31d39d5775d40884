import { Command, InvalidArgumentError } from 'commander';
import { INIT_DEFAULTS } from '../../../ops/init-defaults';
import { sizeFor, type Load, type Sizing } from '../../../ops/size/sizing';
import { printList, withOutput, type OutputOptions } from '../../lib/list-output';
import { groupDigits, printLine, printTable } from '../../lib/output';

interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: Unit;
}

type Unit = 'count' | 'cores' | 'bytes' | 'seconds' | 'events per second';

export function verb(): Command {
  return withOutput(
    new Command('size')
      .description('Show what an installation needs for a load, and what would break first.')
      .requiredOption(
        '--events-per-second <n>',
        'events of all topics, on average over a month',
        whole(100_000_000),
      )
      .requiredOption('--projects <n>', 'projects with usage in a month', whole(1_000_000_000))
      .option('--peak <n>', 'the busiest time, as a multiple of the average', whole(100), 2)
      .option('--meters <n>', 'meters and models that a project uses in a month', whole(1_000), 12)
      .option('--months <n>', 'months of totals and invoices in Redis', whole(1_200), 12)
      .option(
        '--retention-days <n>',
        'how long Kafka keeps events',
        whole(36_500),
        INIT_DEFAULTS.retentionDays,
      )
      .option('--copies <n>', 'copies of each topic in Kafka', whole(100), 3)
      .option('--master-gb <n>', 'memory that usage may fill on one master of Redis', whole(100_000), 32)
      .option('--consumer-gb <n>', 'memory that a consumer process may use', whole(10_000), 4)
      .option(
        '--partitions <n>',
        'partitions of each usage topic; as many as needed by default',
        whole(100_000),
      )
      .option('--masters <n>', 'masters of Redis; as many as needed by default', whole(1_000)),
  )
    .addHelpText(
      'after',
      `
The figures come from measurements on two cores: docs/operating/sizing.md explains the model. The command contacts neither Kafka nor Redis.

Examples:
  tallyman size --events-per-second 200 --projects 20000
  tallyman size --events-per-second 1000000 --projects 10000000 --json
  tallyman size --events-per-second 5000 --projects 20000 --partitions 12 --masters 3`,
    )
    .action(async (options: OutputOptions & Load) => {
      const sizing = sizeFor(options);
      const rows = rowsOf(sizing);
      await printList(options, {
        rows,
        csv: [
          ['name', ({ name }) => name],
          ['value', ({ value }) => String(value), 'exact'],
          ['unit', ({ unit }) => unit],
        ],
        document: () => sizing,
        table: () => printSizing(rows, sizing.limits),
      });
    });
}

/** Reads a whole number from 1 on. */
function whole(most: number): (text: string) => number {
  return (text) => {
    if (/^[1-9]\d*$/.test(text) && Number(text) <= most) return Number(text);
    throw new InvalidArgumentError(
      `"${text}" is not a whole number from 1 to ${groupDigits(most)}, written in digits only.`,
    );
  };
}

function rowsOf({ eventsPerMonth, partitions, consumers, redis, disk, seconds, projectPeak }: Sizing): Row[] {
  const { memoryBytes: memory } = redis;
  return [
    { name: 'events per month', value: eventsPerMonth, unit: 'count' },
    { name: 'partitions of each topic, and shards', value: partitions, unit: 'count' },
    { name: 'consumer processes', value: consumers.processes, unit: 'count' },
    { name: 'CPU of all consumers at the peak', value: consumers.cores, unit: 'cores' },
    { name: 'memory of each consumer', value: consumers.memoryBytesEach, unit: 'bytes' },
    { name: 'memory of a rebuild', value: consumers.rebuildMemoryBytes, unit: 'bytes' },
    { name: 'masters of Redis', value: redis.masters, unit: 'count' },
    { name: 'shards of the fullest master', value: redis.mostShards, unit: 'count' },
    { name: 'CPU of the fullest master at the peak', value: redis.busiest, unit: 'cores' },
    { name: 'memory of the fullest master', value: redis.mostMemoryBytes, unit: 'bytes' },
    { name: 'memory of Redis: event ids', value: memory.ids, unit: 'bytes' },
    { name: 'memory of Redis: totals', value: memory.totals, unit: 'bytes' },
    { name: 'memory of Redis: days', value: memory.days, unit: 'bytes' },
    { name: 'memory of Redis: plans and invoices', value: memory.views, unit: 'bytes' },
    { name: 'memory of Redis: all', value: memory.all, unit: 'bytes' },
    { name: 'disk of Kafka: events', value: disk.logBytes, unit: 'bytes' },
    { name: 'disk of Kafka: ledgers', value: disk.ledgerBytes, unit: 'bytes' },
    { name: 'disk of Redis', value: disk.redisBytes, unit: 'bytes' },
    { name: 'disk of verify --follow', value: disk.secondCountBytes, unit: 'bytes' },
    { name: 'time of a close', value: seconds.close, unit: 'seconds' },
    { name: 'time of a verify of the whole log', value: seconds.verify, unit: 'seconds' },
    { name: 'time of a rebuild', value: seconds.rebuild, unit: 'seconds' },
    { name: 'peak of a single project', value: projectPeak, unit: 'events per second' },
  ];
}

function printSizing(rows: readonly Row[], limits: Sizing['limits']): void {
  printTable<Row>(
    [
      { title: 'what', of: ({ name }) => name },
      { title: 'figure', of: describe, align: 'right' },
    ],
    rows,
  );
  printLine();
  printTable(
    [
      { title: 'limit', of: ({ what }) => what },
      { title: 'used', of: ({ used }) => percent(used), align: 'right' },
    ],
    limits,
  );
  const [first] = limits;
  printLine(
    first!.used > 1
      ? `\nThis breaks first: ${first!.what}. ${first!.remedy}`
      : `\nEverything fits. With more load, this breaks first: ${first!.what}.`,
  );
}

const percent = (share: number): string => `${grouped(share * 100)} %`;

/** At least two digits, and no more than needed. */
const grouped = (value: number): string =>
  value >= 10 ? groupDigits(Math.round(value)) : String(Number(value.toPrecision(2)));

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const TIME_UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

function describe({ value, unit }: Row): string {
  switch (unit) {
    case 'count':
      return groupDigits(value);
    case 'bytes': {
      const power = Math.min(BYTE_UNITS.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
      return `${grouped(value / 1_000 ** power)} ${BYTE_UNITS[power]!}`;
    }
    case 'seconds': {
      const [name, size] = TIME_UNITS.find(([, seconds]) => value >= seconds) ?? (['s', 1] as const);
      return `${grouped(value / size)} ${name}`;
    }
    case 'cores':
      return `${grouped(value)} cores`;
    case 'events per second':
      return `${grouped(value)}/s`;
  }
}
