import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { needTestProgram } from '../../kit/servers/need-program';
import {
  readmeCommands,
  readmeEvent,
  readmeRedisCommand,
  runMonth,
  SAMPLE,
  sampleEvents,
} from '../../kit/readme';
import { CLI, installation } from '../../kit/tallyman';

const exec = promisify(execFile);
/** `npm run -s tallyman -- WORDS` without the second that npm takes. `npm start` ends by itself. */
const NPM = `#!/bin/sh
if [ "$1" = start ]; then set -- consume --until-caught-up; else shift 4; fi
exec '${process.execPath}' '${CLI}' "$@"
`;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'readme-'));
  writeFileSync(join(folder, 'npm'), NPM);
  chmodSync(join(folder, 'npm'), 0o755);
  mkdirSync(join(folder, dirname(SAMPLE)));
  writeFileSync(join(folder, SAMPLE), sampleEvents());
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the sample has the event that the README explains, and every line of it is valid', async () => {
  expect(
    sampleEvents()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as unknown),
  ).toContainEqual(readmeEvent());
  expect(await installation().ok('publish', '--check', join(folder, SAMPLE))).toContain('Checked 10 events');
});

test('the commands under "Use it" do what the README says, typed as they are', async () => {
  await needTestProgram({ command: 'redis-cli', versionArgument: '--version', debianPackage: 'redis-tools' });
  const tallyman = installation();
  const env = { ...tallyman.env, PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` };
  const typed = async (command: string): Promise<string> =>
    (await exec('sh', ['-ec', command], { env, cwd: folder })).stdout;

  const printed = new Map<string, string>();
  for (const command of readmeCommands()) printed.set(command, await typed(command));
  const outputOf = (words: string): string => [...printed].find(([command]) => command.includes(words))![1];
  expect([...printed.keys()]).toHaveLength(8);
  expect(outputOf('publish')).toContain('Published 10 events');
  expect(outputOf('totals')).toMatch(/^session\.webrtc +120$/m);
  expect(outputOf('close')).toContain(`${runMonth} is closed: 50.00 USD due.`);
  expect(outputOf('invoices show')).toMatch(/^total +50\.00 USD$/m);
  expect(outputOf('explain')).toMatch(/PA_8sJ2k1 .*DUPLICATE, adds nothing/);

  const key = (await tallyman.ok('keys', 'acme', '--month', runMonth))
    .split('\n')
    .find((one) => one.includes(':totals:'))!;
  expect(readmeRedisCommand()).toContain(`'${key.replace(`${tallyman.prefix}:`, '')}'`);
  expect(await typed(readmeRedisCommand().replace("'usage:", `'${tallyman.prefix}:usage:`))).toMatch(
    /^session\.webrtc\n120$/m,
  );
});
