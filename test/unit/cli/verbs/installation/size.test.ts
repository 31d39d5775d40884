import { createProgram } from '../../../../../src/cli/program';
import { commandTree } from '../../../../../src/cli/lib/command-tree';

let printed: string;

beforeEach(() => {
  printed = '';
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});

afterEach(() => jest.restoreAllMocks());

async function size(...words: string[]): Promise<string> {
  let told = '';
  const program = createProgram(['size']);
  for (const { command } of commandTree(program))
    command.configureOutput({ writeErr: (text) => (told += text) });
  await program.parseAsync(['size', ...words], { from: 'user' }).catch(() => undefined);
  return told;
}

const LOAD = ['--events-per-second', '200', '--projects', '20000'];

test('--json prints the sizing as one document', async () => {
  await size(...LOAD, '--partitions', '24', '--masters', '3', '--json');
  expect(JSON.parse(printed)).toMatchObject({
    ...{ eventsPerMonth: 535_680_000, partitions: 24, redis: { masters: 3, mostShards: 9 } },
    limits: expect.arrayContaining([expect.objectContaining({ name: 'rebuild' })]),
  });
});

test('csv has a row per figure', async () => {
  await size(...LOAD, '--output', 'csv');
  expect(printed.split('\r\n').slice(0, 3)).toEqual([
    'name,value,unit',
    'events per month,535680000,count',
    '"partitions of each topic, and shards",12,count',
  ]);
});

test.each([
  ['200', 'Everything fits. With more load, this breaks first: '],
  ['1000000', 'This breaks first: a verify of the whole log within a day, in one process. Run'],
])('%s events per second: the table ends with a sentence', async (rate, sentence) => {
  await size('--events-per-second', rate, '--projects', '20000');
  expect(printed.split('\n').at(-2)).toContain(sentence);
});

test.each([
  ['--projects', '0'],
  ['--projects', '1e6'],
  ['--projects', '-5'],
  ['--projects', '2.5'],
  ['--projects', '1000000001'],
  ['--copies', '101'],
])('%s %s is refused, with what to write', async (option, value) => {
  const told = await size(...LOAD, option, value);
  expect(told).toContain(`'${option} <n>' argument '${value}' is invalid`);
  expect(told).toMatch(/"[^"]+" is not a whole number from 1 to [\d,]+, written in digits only\./);
});

test('without a load it names what is missing', async () => {
  expect(await size('--projects', '1')).toContain("required option '--events-per-second <n>' not specified");
});
