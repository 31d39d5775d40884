import { parseArgs } from 'node:util';
import { compareReaders } from './compare-readers';

/**
 * npm run test:fuzz [-- --records 10000000 --seed 1]
 *
 * Compares the reader of plain events with Node's parser of JSON. It ends at the first difference
 * with exit code 1, and prints the seed that repeats it with `--records 100`.
 */
const { values } = parseArgs({
  options: { records: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
});
const records = Number(values.records);
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
const REPORT_EVERY = 1_000_000;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

say(`seed ${seed}, ${records.toLocaleString('en-US')} records`);
compareReaders(seed, records, (compared) => {
  if (compared % REPORT_EVERY === 0) say(`${compared.toLocaleString('en-US')} compared`);
}).then(
  ({ reasons, ...cases }) => say(`no difference: ${JSON.stringify({ ...cases, reasons: [...reasons] })}`),
  (error: unknown) => {
    say((error as Error).message);
    process.exitCode = 1;
  },
);
