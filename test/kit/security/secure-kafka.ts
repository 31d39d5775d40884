import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { startNativeKafka, type Listener } from '../../../src/dev/services/native-kafka';
import { freePort } from '../../../src/dev/services/free-port';
import type { Certificates } from './certificates';

/** A Kafka that asks for certificates and passwords, and lets each user do what it was granted. */
export interface SecureKafka {
  /** host:port by listener. Its own one, `plain`, asks for nothing and may do everything. */
  readonly plain: string;
  /** Wants a certificate of the client. */
  readonly mutualTls: string;
  /** PLAIN and SCRAM-SHA-256, unencrypted. */
  readonly sasl: string;
  /** All three mechanisms. */
  readonly saslTls: string;
  stop(): Promise<void>;
}

const SCRAM_ITERATIONS = 4_096;
/** Kafka's numbers of the mechanisms. */
const SCRAM = { sha256: 1, sha512: 2 } as const;
type ScramHash = keyof typeof SCRAM;

/**
 * @param users their passwords
 * @param mayAll users that need no rights
 */
export async function startSecureKafka(
  { ca, server }: Certificates,
  users: Readonly<Record<string, string>>,
  mayAll: readonly string[] = [],
): Promise<SecureKafka> {
  const [mutualTls, sasl, saslTls] = await Promise.all([freePort(), freePort(), freePort()]);
  const listeners: Listener[] = [
    { name: 'MUTUAL', protocol: 'SSL', port: mutualTls },
    { name: 'SASL', protocol: 'SASL_PLAINTEXT', port: sasl },
    { name: 'SASLTLS', protocol: 'SASL_SSL', port: saslTls },
  ];
  const known = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const module = (mechanism: string): string =>
    `org.apache.kafka.common.security.${mechanism}LoginModule required`;
  const kafka = await startNativeKafka(() => undefined, undefined, {
    listeners,
    settings: [
      'ssl.keystore.type=PEM',
      `ssl.keystore.location=${server.both}`,
      'ssl.truststore.type=PEM',
      `ssl.truststore.location=${ca}`,
      'listener.name.mutual.ssl.client.auth=required',
      'listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256',
      'listener.name.sasltls.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      ...['sasl', 'sasltls'].flatMap((listener) => [
        `listener.name.${listener}.plain.sasl.jaas.config=${module('plain.Plain')} ${known.join(' ')};`,
        ...[256, 512].map(
          (bits) => `listener.name.${listener}.scram-sha-${bits}.sasl.jaas.config=${module('scram.Scram')};`,
        ),
      ]),
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      `super.users=${['ANONYMOUS', ...mayAll].map((name) => `User:${name}`).join(';')}`,
    ],
  });
  for (const [name, password] of Object.entries(users))
    for (const hash of ['sha256', 'sha512'] as const) await addScramUser(kafka.port, name, password, hash);
  const at = (port: number | undefined): string => `127.0.0.1:${port}`;
  return {
    plain: kafka.address,
    ...{ mutualTls: at(mutualTls), sasl: at(sasl), saslTls: at(saslTls) },
    stop: () => kafka.stop(),
  };
}

/**
 * Stores what SCRAM checks a password with. kafkajs does not have this request
 * (AlterUserScramCredentials, version 0), and Kafka's own tool would start a JVM.
 */
async function addScramUser(port: number, name: string, password: string, hash: ScramHash): Promise<void> {
  const compact = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length + 1]), bytes]);
  const int32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, hash === 'sha256' ? 32 : 64, hash);
  const request = Buffer.concat([
    // The key of the API, its version, a correlation id, a client id without bytes, no tags; no
    // deletion and one change.
    Buffer.from([0, 51, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2]),
    ...[compact(Buffer.from(name)), Buffer.from([SCRAM[hash]]), int32(SCRAM_ITERATIONS)],
    ...[compact(salt), compact(salted), Buffer.from([0, 0])],
  ]);
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(Buffer.concat([int32(request.length), request])),
    );
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data);
    });
    socket.once('error', reject);
    socket.once('end', () => reject(new Error('Kafka closed the connection')));
  });
  // Size, correlation id, tags, throttle time and number of results come before the name.
  const nameAt = 14;
  if (answer.readInt16BE(nameAt + answer[nameAt]!) !== 0)
    throw new Error(`Kafka refuses the user ${name}: ${answer.toString()}`);
}
