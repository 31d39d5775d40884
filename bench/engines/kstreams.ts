import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafkaJars } from '../../src/dev/services/kafka-jars';
import { runCommand } from '../../src/dev/run-command';
import { openKafka, type KafkaClient } from '../../src/kafka/client';
import { readRange } from '../../src/kafka/read-range';
import { logRanges } from '../../src/kafka/topics/topics';
import { readConfig } from '../../src/lib/config';
import type { Totals } from '../check-totals';
import { startProgram, type Child } from '../processes';
import { say } from '../servers';

type Environment = Readonly<Record<string, string>>;

/** The peer, counting one log under a name of its own. */
export interface Kstreams {
  readonly child: Child;
  /** How many records of these logs its transactions have committed. */
  committed(ends: ReadonlyMap<string, readonly number[]>): Promise<number>;
  /** `<month>:<project>` -> meter -> quantity, of the changelog of its store. */
  totals(): Promise<Totals>;
  /** After its end: removes its state from the disk. */
  close(): Promise<void>;
}

const PROJECT = join(__dirname, '../../..');
const SOURCES = join(PROJECT, 'bench/peers/kstreams');
const BUILD = join(PROJECT, 'dist/bench/peers/kstreams');
/** The heap holds the stores. Half of the machine's memory is left to the broker and its files. */
const JAVA_FLAGS = [
  '-Xms3g',
  '-Xmx3g',
  '-XX:+UseParallelGC',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
];

let built: Promise<void> | undefined;
let runs = 0;

/** @throws Error if Maven cannot build it, with the end of its output */
export async function startKstreams(env: Environment): Promise<Kstreams> {
  await (built ??= build());
  const applicationId = `kstreams-${process.pid}-${(runs += 1)}`;
  const stateDir = mkdtempSync(join(tmpdir(), 'tallyman-kstreams-'));
  const classPath = `${join(BUILD, 'classes')}:${join(BUILD, 'jars', '*')}`;
  const { java } = await kafkaJars(say);
  const child = startProgram(java, [...JAVA_FLAGS, ...givenFlags(), '-cp', classPath, 'peer.Peer'], {
    ...env,
    ...{ APPLICATION_ID: applicationId, STATE_DIR: stateDir },
  });
  const kafka = openKafka(readConfig(env).kafka);
  return {
    child,
    committed: (ends) => committedRecords(kafka, applicationId, ends),
    totals: () => readTotals(kafka, `${applicationId}-totals-changelog`),
    async close() {
      rmSync(stateDir, { recursive: true, force: true });
      await kafka.close();
    },
  };
}

async function build(): Promise<void> {
  say('building bench/peers/kstreams with Maven, which fetches Kafka Streams the first time');
  const { ok, output } = await runCommand('mvn', ['-q', '-B', 'compile', `-Dto=${BUILD}`], { cwd: SOURCES });
  if (!ok) throw new Error(`Maven could not build ${SOURCES}:\n${output.trimEnd().slice(-2_000)}`);
}

/** `BENCH_JAVA_FLAGS="-Dstores=disk -Dthreads=1"` tries other settings: see Peer.java. */
function givenFlags(): string[] {
  return (process.env['BENCH_JAVA_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');
}

async function committedRecords(
  kafka: KafkaClient,
  groupId: string,
  ends: ReadonlyMap<string, readonly number[]>,
): Promise<number> {
  const admin = await kafka.admin();
  const topics = await admin.fetchOffsets({ groupId, topics: [...ends.keys()] });
  return topics
    .flatMap(({ partitions }) => partitions)
    .reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
}

/** Keys of the changelog are `<month>:<project>:<meter>`; values are 64-bit integers. */
async function readTotals(kafka: KafkaClient, topic: string): Promise<Totals> {
  const totals: Totals = new Map();
  const ranges = await logRanges(kafka, [topic]);
  for (const [partition, { start, end }] of ranges.get(topic)!.entries()) {
    for await (const records of readRange(kafka, { topic, partition, from: start, to: end })) {
      for (const { key, value } of records) {
        const [, name = '', meter = ''] = /^([^:]*:[^:]*):(.*)$/s.exec(String(key)) ?? [];
        const sums = totals.get(name) ?? new Map<string, bigint>();
        totals.set(name, sums.set(meter, value!.readBigInt64BE()));
      }
    }
  }
  return totals;
}
