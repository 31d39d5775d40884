import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { formatTable, type Column } from '../src/cli/lib/output';
import { say } from './servers';
import { checkCoefficients } from './coefficients';
import { judge, withRatios } from './targets';

/**
 * One line of measurement: what was measured (texts, and the numbers of `KEYS`) and what came out.
 */
export type Result = Readonly<Record<string, string | number | undefined>> & { readonly section: string };

interface ResultFile {
  readonly machine: Machine;
  readonly commit: string;
  readonly date: string;
  readonly results: readonly Result[];
}

type Machine = Readonly<Record<'cpu' | 'cores' | 'memoryGb' | 'kernel' | 'node' | 'redis', string | number>>;

const FOLDER = join(__dirname, '../../bench/results');
/** Two results are of the same thing when these agree. */
const KEYS = ['section', 'engine', 'projects', 'partitions', 'events', 'ids', 'what', 'consumers', 'rate'];

/**
 * Collects results: each is printed as a line of JSON at once, all of them as tables in the end.
 */
export function createResults() {
  const results: Result[] = [];
  const before = latestOfThisMachine();
  return {
    add(result: object): void {
      const added = rounded(result as Result);
      results.push(added);
      process.stdout.write(`${JSON.stringify(added)}\n`);
    },
    /** @returns whether a coefficient of the sizing model is off */
    printTables(): boolean {
      const machine = thisMachine();
      process.stdout.write(`\n${Object.values(machine).join(', ')}; commit ${commit()}\n`);
      const shown = withRatios(medians(results)).map(rounded);
      for (const section of new Set(shown.map((result) => result.section))) {
        const rows = shown.filter((result) => result.section === section);
        process.stdout.write(`\n${section}\n${tableOf(rows)}`);
        const changes = before ? rows.flatMap((row) => changesOf(row, before.results)) : [];
        if (before && changes.length > 0) {
          process.stdout.write(
            `\nAgainst ${before.commit} of ${before.date}:\n${changes.map((change) => `  ${change}\n`).join('')}`,
          );
        }
      }
      const verdicts = judge(shown);
      if (verdicts.length > 0)
        process.stdout.write(`\ntargets\n${verdicts.map((line) => `${line}\n`).join('')}`);
      const checks = checkCoefficients(shown);
      if (checks.length > 0)
        process.stdout.write(
          `\ncoefficients of \`tallyman size\`\n${checks.map(({ text }) => `${text}\n`).join('')}`,
        );
      return checks.some(({ isOff }) => isOff);
    },
    save(): void {
      const date = new Date().toISOString();
      mkdirSync(FOLDER, { recursive: true });
      const file = join(FOLDER, `${date.slice(0, 16).replace(':', '')}-${commit()}.json`);
      const content: ResultFile = {
        machine: thisMachine(),
        commit: commit(),
        date,
        results: withRatios(medians(results)).map(rounded),
      };
      writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`);
      say(`written to ${file}`);
    },
  };
}

function rounded(result: Result): Result {
  const figures = Object.entries(result).map(([name, value]) => [
    name,
    typeof value === 'number' ? Number(value.toPrecision(value >= 1000 ? 6 : 4)) : value,
  ]);
  return Object.fromEntries(figures) as Result;
}

const sameThing = (a: Result, b: Result): boolean => KEYS.every((key) => a[key] === b[key]);

/**
 * Several runs of one thing become one: the median of each figure, and what was wrong in any of
 * them.
 */
function medians(results: readonly Result[]): Result[] {
  const groups: Result[][] = [];
  for (const result of results) {
    const group = groups.find(([first]) => first && sameThing(first, result));
    if (group) group.push(result);
    else groups.push([result]);
  }
  return groups.map((group) => {
    const names = Object.keys(group[0]!);
    return Object.fromEntries(
      names.map((name) => {
        const values = group.map((result) => result[name]);
        if (!values.every((value) => typeof value === 'number')) return [name, values[0]];
        return [name, name === 'wrongTotals' ? Math.max(...values) : median(values)];
      }),
    ) as Result;
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
}

function tableOf(rows: readonly Result[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== 'section');
  const columns = names.map((title): Column<Result> => ({
    title,
    align: rows.some((row) => typeof row[title] === 'number') ? 'right' : 'left',
    of: (row) => shownValue(title, row[title]),
  }));
  return formatTable(columns, rows);
}

function shownValue(name: string, value: string | number | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  const text = value.toLocaleString('en-US', {
    maximumFractionDigits: value >= 100 ? 0 : value >= 0.1 ? 2 : 5,
  });
  return name === 'wrongTotals' && value > 0 ? `WRONG ${text}` : text;
}

function changesOf(row: Result, earlier: readonly Result[]): string[] {
  const old = earlier.find((result) => sameThing(result, row));
  if (!old) return [];
  const named = KEYS.filter((key) => key !== 'section' && row[key] !== undefined).map(
    (key) => `${key} ${String(row[key])}`,
  );
  const changes = Object.entries(row).flatMap(([name, value]) => {
    const was = old[name];
    if (KEYS.includes(name) || typeof value !== 'number' || typeof was !== 'number' || was === 0) return [];
    return [`${name} ${(((value - was) / was) * 100).toFixed(0)} %`];
  });
  return [`${named.join(', ')}: ${changes.join(', ')}`];
}

function latestOfThisMachine(): ResultFile | undefined {
  if (!existsSync(FOLDER)) return undefined;
  const machine = JSON.stringify(sameMachine(thisMachine()));
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .reverse()
    .map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as ResultFile)
    .find((file) => JSON.stringify(sameMachine(file.machine)) === machine);
}

const sameMachine = ({ cpu, cores, memoryGb }: Machine): unknown => [cpu, cores, memoryGb];

function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown CPU',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    redis: /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? '',
  };
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      cwd: FOLDER_OF_PROJECT,
    }).trim();
  } catch {
    return 'unknown';
  }
}

const FOLDER_OF_PROJECT = join(__dirname, '../..');
