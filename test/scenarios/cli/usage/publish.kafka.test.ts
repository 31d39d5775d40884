import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKafka, type KafkaClient } from '../../../../src/kafka/client';
import { readRange } from '../../../../src/kafka/read-range';
import { logEnds, topicName } from '../../../../src/kafka/topics/topics';
import { eventually, testBrokers } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const folder = mkdtempSync(join(tmpdir(), 'tallyman-publish-'));
const fixture = (name: string): string => join(__dirname, '../../../kit/fixtures', name);
const fileOf = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const line = (id: string, more: object = {}): string =>
  JSON.stringify({
    ...{ specversion: '1.0', id, source: '/sfu', type: 'usage.session.v1', subject: 'acme' },
    ...{ time: new Date().toISOString(), data: { service: 'webrtc', durationMs: 60_000 }, ...more },
  });

let tallyman: Installation;
let client: KafkaClient;
beforeAll(async () => {
  tallyman = installation();
  client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  await tallyman.ok('init', '--partitions', '1');
});
afterAll(async () => {
  await client.close();
  rmSync(folder, { recursive: true });
});

const topic = (): string => topicName(tallyman.prefix, 'usage.session');
const end = async (): Promise<number> => (await logEnds(client, [topic()])).get(topic())![0]!;
/** What is published while something runs. */
async function publishedBy(run: () => Promise<unknown>): Promise<Buffer[]> {
  const from = await end();
  await run();
  const values: Buffer[] = [];
  for await (const records of readRange(client, { topic: topic(), partition: 0, from, to: await end() }))
    for (const { value } of records) values.push(Buffer.from(value!));
  return values;
}

test('a file that is not UTF-8 is refused, with its lines, and nothing of it is published', async () => {
  const file = fixture('not-utf8.ndjson');
  for (const words of [
    ['publish', file],
    ['publish', '--check', file],
    ['publish', fileOf('good.ndjson', line('x')), file],
  ]) {
    const published = await publishedBy(async () => {
      const { code, stderr } = await tallyman.run(words);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /not-utf8\.ndjson:1 is not valid UTF-8 \(byte \w\w at position \d+ of the line\)/,
      );
      expect(stderr).toContain('not-utf8.ndjson:2 is not valid UTF-8');
    });
    expect(published).toEqual([]);
  }
});

test('a byte order mark of a file is left out, and one inside it is named', async () => {
  const published = await publishedBy(() => tallyman.ok('publish', fixture('bom.ndjson')));
  expect(published).toEqual([readFileSync(fixture('bom.ndjson')).subarray(3, -1)]);
  const inside = fileOf('inside.ndjson', `${line('a')}\n\ufeff${line('b')}\n`);
  const { code, stderr } = await tallyman.run(['publish', inside]);
  expect(code).toBe(1);
  expect(stderr).toContain('inside.ndjson:2 begins with a byte order mark');
});

test('the bytes of a line are published as they are; blank lines and line ends are not', async () => {
  const odd = `  ${line('spaced').replace(':', ' : ')} \t`;
  const twice = line('twice').replace('{', '{"id":"first",');
  const text = line('é😀', { padding: '\ufffd \\u00e9' });
  const file = fileOf('bytes.ndjson', `${odd}\r\n\r\n \t\n${twice}\n${text}`);
  expect(await publishedBy(() => tallyman.ok('publish', file))).toEqual(
    [odd, twice, text].map((one) => Buffer.from(one)),
  );
});

test('--check publishes nothing, of good events neither', async () => {
  const file = fileOf('checked.ndjson', `${line('a')}\n${line('b')}\n`);
  const published = await publishedBy(async () => {
    expect(await tallyman.json('publish', '--check', file)).toEqual({ checked: 2 });
    expect(await tallyman.ok('publish', '--check', file)).toContain('Nothing was published');
    expect(await tallyman.json('publish', file)).toEqual({ published: 2 });
  });
  expect(published).toHaveLength(2);
});

test('of a pipe, what lies before the bad line is published, and the message says so', async () => {
  const [first, second] = [line('a'), line('b')];
  const content = Buffer.concat([
    Buffer.from(`${first}\n\n${second}\n`),
    Buffer.from('"caf\xe9"\n', 'latin1'),
    Buffer.from(line('c')),
  ]);
  const input = fileOf('piped.ndjson', content);
  const published = await publishedBy(() => {
    const { status, stderr } = shell(`cat '${input}' | "$NODE" "$CLI" publish -`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^(?=[^]*stdin:4 )(?=[^]* 2 events)[^]*\[BAD_LINE\]/);
    return Promise.resolve();
  });
  expect(published).toEqual([first, second].map((one) => Buffer.from(one)));
});

test('a pipe without a writer is waited for, which one line says; then it is published', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const published = await publishedBy(async () => {
    const child = tallyman.start('publish', pipe, '--json');
    const ended = once(child, 'close');
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name]!.on('data', (chunk: Buffer) => (output[name] += chunk.toString()));
    await eventually(() => output.stderr !== '', { timeoutMs: 60_000 });
    writeFileSync(pipe, `${line('a')}\n${line('b')}\n`);
    expect(await ended).toEqual([0, null]);
    expect(JSON.parse(output.stdout)).toEqual({ published: 2 });
    expect(output.stderr).toBe(`Waiting for the first line of ${pipe} ...\n`);
  });
  expect(published).toHaveLength(2);
});

test.each<[string, string[], number, string]>([
  ['a folder', [folder], 2, 'it is a folder'],
  ['a missing file after a good one', [fileOf('first.ndjson', line('a')), join(folder, 'none')], 2, 'there is no such file'],
  ['a line that is too long', [fileOf('long.ndjson', `${line('a')}\n${'x'.repeat(1_048_577)}\n`)], 1, 'long.ndjson:2 has 1048577 bytes'],
  ['a line that is not JSON', [fileOf('broken.ndjson', `${line('a')}\n{\n`)], 1, 'broken.ndjson:2 is not JSON'],
  ['another type', [fileOf('typed.ndjson', line('a', { type: 'fax' }))], 1, 'typed.ndjson:1 type is "fax"'],
  ['no project', [fileOf('nobody.ndjson', line('a', { subject: 5 }))], 1, 'nobody.ndjson:1 subject is 5'],
  ['UTF-16', [fileOf('utf16.ndjson', Buffer.from(`\ufeff${line('a')}`, 'utf16le'))], 1, 'utf16.ndjson:1 is not valid UTF-8'],
])('%s: one clear message, and nothing is published', async (_, files, exitCode, message) => {
  const published = await publishedBy(async () => {
    const { code, stderr, stdout } = await tallyman.run(['publish', ...files]);
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
  expect(published).toEqual([]);
}); // prettier-ignore

test('a CSV of projects that is not UTF-8 is refused with its line; a byte order mark is left out', async () => {
  const csv = 'project,plan,from,name\nacme,ship,2026-10-01,Acme\nmueller,ship,2026-10-01,Müller GmbH\n';
  const latin1 = await tallyman.run(['projects', 'import', fileOf('latin1.csv', Buffer.from(csv, 'latin1'))]);
  expect(latin1.code).toBe(1);
  expect(latin1.stderr).toMatch(/latin1\.csv:3:? is not valid UTF-8 \(byte FC/);
  expect(await tallyman.json('projects', 'list')).toMatchObject({ projects: [] });
  await tallyman.ok('projects', 'import', fileOf('bom.csv', `\ufeff${csv}`));
  expect(await tallyman.ok('projects', 'show', 'mueller')).toContain('Müller GmbH');
});

function shell(command: string): { status: number; stderr: string } {
  const env = {
    ...tallyman.env,
    PATH: process.env['PATH'],
    NODE: process.execPath,
    CLI: join(__dirname, '../../../../dist/src/cli/tallyman.js'),
  };
  try {
    execFileSync('bash', ['-c', command], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    return { status: 0, stderr: '' };
  } catch (error) {
    const { status, stderr } = error as { status: number; stderr: Buffer };
    return { status, stderr: stderr.toString() };
  }
}
