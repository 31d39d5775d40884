import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TallymanError } from '../../lib/errors';
import type { Progress } from '../../lib/progress';
import { runCommand } from '../run-command';

export const KAFKA_VERSION = '4.4.0';
/** Kafka's jars log to slf4j and bring no backend. Without a backend, a broker dies silently. */
const LOG4J_VERSION = '2.25.5';
const MIN_JAVA = 17;
const END_OF_OUTPUT_LINES = 15;

export interface KafkaJars {
  readonly java: string;
  readonly folder: string;
}

/**
 * Finds Java and Apache Kafka's jars. Maven downloads the jars once for each user and version.
 *
 * @throws TallymanError `JAVA_MISSING`, `MAVEN_MISSING` (with what to install), `KAFKA_NOT_FETCHED`
 */
export async function kafkaJars(log: (line: string) => void, progress?: Progress): Promise<KafkaJars> {
  const java = await needJava();
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tallyman');
  const folder = join(cache, `kafka-${KAFKA_VERSION}`);
  if (!existsSync(folder)) await fetchJars(cache, folder, log, progress);
  return { java, folder };
}

async function needJava(): Promise<string> {
  const home = process.env['JAVA_HOME'];
  const java = home ? join(home, 'bin', 'java') : 'java';
  const { ok, output } = await runCommand(java, ['-version']);
  const version = Number(/version "(\d+)/.exec(output)?.[1] ?? 0);
  if (ok && version >= MIN_JAVA) return java;
  const found = ok ? `Java ${version} (${java}) is too old` : `no Java (${java})`;
  throw new TallymanError(
    'JAVA_MISSING',
    `No Kafka: ${found}. Install Java ${MIN_JAVA} and Maven (Debian, Ubuntu: apt-get install openjdk-17-jre-headless maven; macOS: brew install openjdk maven), start Docker, or set KAFKA_BROKERS`,
  );
}

/**
 * Downloads into a folder of its own and renames it, so that no run ever uses an incomplete one.
 */
async function fetchJars(
  cache: string,
  folder: string,
  log: (line: string) => void,
  progress: Progress | undefined,
): Promise<void> {
  if (!(await runCommand('mvn', ['-version'])).ok) {
    throw new TallymanError(
      'MAVEN_MISSING',
      'No Kafka: Maven is missing. Install it (Debian, Ubuntu: apt-get install maven; macOS: brew install maven), start Docker, or set KAFKA_BROKERS',
    );
  }
  log(`downloading Apache Kafka ${KAFKA_VERSION} with Maven, once, into ${folder}`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetching-'));
  try {
    await writeFile(join(work, 'pom.xml'), POM);
    const jars = join(work, 'jars');
    let fetched = 0;
    const { ok, output } = await runCommand(
      'mvn',
      ['-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${jars}`],
      {
        cwd: work,
        onLine: (line) => {
          if (/Downloaded .*\.jar/.test(line)) progress?.update(++fetched, undefined, 'jars');
        },
      },
    );
    if (!ok) {
      throw new TallymanError(
        'KAFKA_NOT_FETCHED',
        `Maven could not download Apache Kafka ${KAFKA_VERSION}:\n${output.trimEnd().split('\n').slice(-END_OF_OUTPUT_LINES).join('\n')}`,
      );
    }
    await rename(jars, folder).catch((error: unknown) => {
      // Another run was faster, and its folder is just as good.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>${LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;
