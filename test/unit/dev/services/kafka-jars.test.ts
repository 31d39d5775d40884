import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { KAFKA_VERSION, kafkaJars } from '../../../../src/dev/services/kafka-jars';
import { fakePrograms, type FakePrograms } from '../../../kit/servers/fake-programs';

const environment = { ...process.env };
let programs: FakePrograms;
let cache: string;
beforeEach(() => {
  programs = fakePrograms();
  process.env['XDG_CACHE_HOME'] = programs.folder;
  delete process.env['JAVA_HOME'];
  cache = join(programs.folder, 'tallyman');
  programs.install('java', `echo 'openjdk version "17.0.15" 2025-04-15' >&2`);
});
afterEach(() => {
  programs.remove();
  process.env['XDG_CACHE_HOME'] = environment['XDG_CACHE_HOME'];
  if (environment['XDG_CACHE_HOME'] === undefined) delete process.env['XDG_CACHE_HOME'];
  if (environment['JAVA_HOME'] !== undefined) process.env['JAVA_HOME'] = environment['JAVA_HOME'];
});

/** A `mvn` that puts one jar where it is told to, slowly enough for two to run at once. */
const installMaven = (): void =>
  programs.install(
    'mvn',
    `for argument; do case "$argument" in
       -version) exit 0;;
       -DoutputDirectory=*) folder=\${argument#*=};;
     esac; done
     mkdir "$folder" && sleep 0.2 && echo jar > "$folder/kafka.jar" && echo "Downloaded from there: kafka.jar (1 kB)"`,
  );

const fetchJars = async (): Promise<{ folder: string; lines: string[]; fetched: number[] }> => {
  const lines: string[] = [];
  const fetched: number[] = [];
  const progress = { update: (done: number) => void fetched.push(done), end: () => undefined };
  const { folder } = await kafkaJars((line) => lines.push(line), progress);
  return { folder, lines, fetched };
};

test('the jars are fetched once, with progress, and found the next time without a word', async () => {
  installMaven();
  const first = await fetchJars();
  expect(first.folder).toBe(join(cache, `kafka-${KAFKA_VERSION}`));
  expect(readdirSync(first.folder)).toEqual(['kafka.jar']);
  expect(first.lines).toHaveLength(1);
  expect(first.fetched).toEqual([1]);

  programs.install('mvn', 'exit 1');
  expect(await fetchJars()).toEqual({ folder: first.folder, lines: [], fetched: [] });
});

test('two that fetch at once end with one whole folder and nothing beside it', async () => {
  installMaven();
  const [one, other] = await Promise.all([fetchJars(), fetchJars()]);
  expect(one.folder).toBe(other.folder);
  expect(readdirSync(one.folder)).toEqual(['kafka.jar']);
  expect(readdirSync(cache)).toEqual([`kafka-${KAFKA_VERSION}`]);
});

test('a fetch that fails tells what Maven said, leaves nothing, and can be tried again', async () => {
  programs.install('mvn', `[ "$1" = -version ] || { echo "Could not transfer artifact"; exit 1; }`);
  await expect(fetchJars()).rejects.toMatchObject({
    code: 'KAFKA_NOT_FETCHED',
    message: expect.stringContaining('Could not transfer artifact'),
  });
  expect(readdirSync(cache)).toEqual([]);
  installMaven();
  expect(existsSync((await fetchJars()).folder)).toBe(true);
});

test.each([
  ['is too old', `echo 'openjdk version "11.0.2" 2019-01-15' >&2`, 'Java 11'],
  ['cannot run', 'exit 1', 'no Java'],
])('a Java that %s is named, with what to install', async (_what, script, told) => {
  programs.install('java', script);
  installMaven();
  await expect(fetchJars()).rejects.toMatchObject({
    code: 'JAVA_MISSING',
    message: expect.stringMatching(new RegExp(`${told}.*[Ii]nstall`)),
  });
});

test('a missing Maven is named, with what to install', async () => {
  programs.install('mvn', 'exit 127');
  await expect(fetchJars()).rejects.toMatchObject({
    code: 'MAVEN_MISSING',
    message: expect.stringContaining('apt-get install maven'),
  });
});
