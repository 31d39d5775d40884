import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../../lib/progress';
import { brokerAnswers } from '../../kafka/checks/ping-broker';
import { freePort } from './free-port';
import { KAFKA_VERSION, kafkaJars } from './kafka-jars';
import { startNative } from './native-process';
import type { NativeService } from './service';

const READY_TIMEOUT_MS = 90_000;

/**
 * Measured with 12 partitions and records of 350 bytes on 2 cores: with the quick compiler alone,
 * Kafka starts in 1.7 s instead of 2.1, takes a third less CPU, and still serves more than one
 * kafkajs can produce (88,000/s, 3 million records).
 */
const JVM_FLAGS = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];

/** A further listener of the broker. */
export interface Listener {
  /** In capitals. */
  readonly name: string;
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  readonly port: number;
  /** The port that clients are sent to, if it is not this one. */
  readonly advertisedPort?: number;
}

export interface KafkaExtras {
  readonly listeners?: readonly Listener[];
  /** Lines of server.properties. */
  readonly settings?: readonly string[];
}

/**
 * Starts Apache Kafka as one process, broker and KRaft controller in one, with its data in a
 * temporary folder.
 *
 * @throws TallymanError as `kafkaJars` does, and `SERVICE_NOT_STARTED`
 */
export async function startNativeKafka(
  log: (line: string) => void,
  progress?: Progress,
  extras: KafkaExtras = {},
): Promise<NativeService> {
  const [kafka] = await startBrokers(1, log, progress, extras);
  return kafka!;
}

/**
 * Starts brokers that form one cluster. Each is a controller too. A topic has a copy on each of up
 * to three brokers, and a write needs all of them but one.
 *
 * @throws as `startNativeKafka`; no broker is left behind then
 */
export async function startBrokers(
  count: number,
  log: (line: string) => void,
  progress?: Progress,
  extras: KafkaExtras = {},
): Promise<NativeService[]> {
  const program = await kafkaJars(log, progress);
  const clusterId = randomBytes(16).toString('base64url');
  const nodes: KafkaNode[] = [];
  for (let id = 1; id <= count; id += 1)
    nodes.push({ id, port: await freePort(), controllerPort: await freePort() });
  const started = await Promise.allSettled(
    nodes.map((node) => startNode(program, { clusterId, nodes, node, extras })),
  );
  const brokers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed === undefined) return brokers;
  await Promise.all(brokers.map((broker) => broker.stop()));
  throw failed.reason;
}

interface KafkaNode {
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
}

interface NodeSpec {
  readonly clusterId: string;
  readonly nodes: readonly KafkaNode[];
  readonly node: KafkaNode;
  readonly extras: KafkaExtras;
}

async function startNode(
  { java, folder: jars }: Awaited<ReturnType<typeof kafkaJars>>,
  spec: NodeSpec,
): Promise<NativeService> {
  const { port } = spec.node;
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-kafka-'));
  const dataDir = join(folder, 'data');
  const settingsPath = join(folder, 'server.properties');
  const logSettingsPath = join(folder, 'log4j2.properties');
  await mkdir(dataDir);
  await writeFile(join(dataDir, 'meta.properties'), storage(spec));
  await writeFile(settingsPath, settings(spec, dataDir));
  await writeFile(logSettingsPath, LOG_SETTINGS);

  return startNative({
    name: 'Kafka',
    origin: `Apache Kafka ${KAFKA_VERSION} on Java`,
    command: java,
    args: [
      ...JVM_FLAGS,
      `-Dlog4j2.configurationFile=${logSettingsPath}`,
      '-cp',
      join(jars, '*'),
      'kafka.Kafka',
      settingsPath,
    ],
    folder,
    dataDir,
    port,
    isReady: () => brokerAnswers([`127.0.0.1:${port}`]),
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
}

/**
 * The files of a folder that is formatted for this cluster. Kafka's format tool writes the same,
 * and needs one more JVM start. Without its bootstrap record, a broker uses the metadata version of
 * its release.
 */
const storage = ({ clusterId, node }: NodeSpec): string => `
version=1
node.id=${node.id}
cluster.id=${clusterId}
directory.id=${randomBytes(16).toString('base64url')}
`;

/** Small buffers. Topics are not created automatically, as in production. */
function settings({ nodes, node, extras }: NodeSpec, dataDir: string): string {
  const { listeners = [], settings: more = [] } = extras;
  const { id, port, controllerPort } = node;
  const copies = Math.min(nodes.length, 3);
  const inSync = Math.max(1, copies - 1);
  return `
process.roles=broker,controller
node.id=${id}
controller.quorum.voters=${nodes.map((one) => `${one.id}@127.0.0.1:${one.controllerPort}`).join(',')}
listeners=CLIENTS://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${listeners.map(({ name, port: own }) => `,${name}://127.0.0.1:${own}`).join('')}
advertised.listeners=CLIENTS://127.0.0.1:${port}${listeners.map(({ name, port: own, advertisedPort = own }) => `,${name}://127.0.0.1:${advertisedPort}`).join('')}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT${listeners.map(({ name, protocol }) => `,${name}:${protocol}`).join('')}
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
log.dirs=${dataDir}
auto.create.topics.enable=false
default.replication.factor=${copies}
min.insync.replicas=${inSync}
offsets.topic.replication.factor=${copies}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=${copies}
transaction.state.log.min.isr=${inSync}
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=${copies}
share.coordinator.state.topic.min.isr=${inSync}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=4194304
replica.fetch.max.bytes=4194304
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
num.io.threads=4
${more.join('\n')}
`;
}

const LOG_SETTINGS = `
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %-5p %m (%c{1})%n%throwable
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
`;
