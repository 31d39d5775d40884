import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TallymanError } from '../errors';
import type { Progress } from '../progress';
import { brokerAnswers } from '../stream/ping-broker';
import { freePort } from './free-port';
import { KAFKA_VERSION, kafkaJars } from './kafka-jars';
import { startNative } from './native-process';
import { runCommand } from './run-command';
import type { NativeService } from './service';

const READY_TIMEOUT_MS = 90_000;

/**
 * Starts Apache Kafka as one process, broker and KRaft controller in one, with its data in a temporary folder.
 *
 * @throws TallymanError as `kafkaJars` does, and `SERVICE_NOT_STARTED`
 */
export async function startNativeKafka(
  log: (line: string) => void,
  progress?: Progress,
): Promise<NativeService> {
  const { java, folder: jars } = await kafkaJars(log, progress);
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-kafka-'));
  const [port, controllerPort] = await Promise.all([freePort(), freePort()]);
  const dataDir = join(folder, 'data');
  const settingsPath = join(folder, 'server.properties');
  const logSettingsPath = join(folder, 'log4j2.properties');
  await writeFile(settingsPath, settings(port, controllerPort, dataDir));
  await writeFile(logSettingsPath, LOG_SETTINGS);

  const javaArgs = ['-Xshare:auto', `-Dlog4j2.configurationFile=${logSettingsPath}`, '-cp', join(jars, '*')];
  const clusterId = randomBytes(16).toString('base64url');
  const format = await runCommand(java, [
    ...['-XX:TieredStopAtLevel=1', ...javaArgs],
    ...['kafka.tools.StorageTool', 'format', '--config', settingsPath, '--cluster-id', clusterId],
  ]);
  if (!format.ok) {
    await rm(folder, { recursive: true, force: true });
    throw new TallymanError('SERVICE_NOT_STARTED', `Kafka's storage could not be made:\n${format.output}`);
  }
  return startNative({
    name: 'Kafka',
    origin: `Apache Kafka ${KAFKA_VERSION} on Java`,
    command: java,
    args: ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', ...javaArgs, 'kafka.Kafka', settingsPath],
    folder,
    dataDir,
    port,
    isReady: () => brokerAnswers([`127.0.0.1:${port}`]),
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
}

/** One node, nothing replicated, small buffers; topics are made on purpose only, as in production. */
const settings = (port: number, controllerPort: number, dataDir: string): string => `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=CLIENTS://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=CLIENTS://127.0.0.1:${port}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
log.dirs=${dataDir}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=4194304
replica.fetch.max.bytes=4194304
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
`;

const LOG_SETTINGS = `
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %-5p %m (%c{1})%n%throwable
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
`;
