import { Kafka, logLevel, type Admin, type KafkaConfig, type logCreator } from 'kafkajs';
import type { Log } from '../log';
import { registerCodecs } from './codecs';
import { installWorkarounds } from './kafkajs-workarounds';

/** Where Kafka is and how to sign in. */
export interface KafkaOptions {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** TLS when present; PEM texts. */
  readonly ssl?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
}

/** An open door to one Kafka. Nothing is connected before it is used. */
export interface KafkaClient {
  /** kafkajs itself, for this folder only. */
  readonly kafkajs: Kafka;
  /** One admin connection, shared and kept until `close`. */
  admin(): Promise<Admin>;
  close(): Promise<void>;
}

/** An address that answers nothing is given up after this long. */
const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Opens a client. kafkajs's own log lines go to `log` for debugging: it reports as errors what it then rides out, and
 * what matters arrives as an error all the same.
 */
export function openKafka(options: KafkaOptions, log?: Log): KafkaClient {
  installWorkarounds();
  registerCodecs();
  const kafkajs = new Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Spelled out, because kafkajs has other defaults under NODE_ENV=test. About six seconds in all.
    retry: { initialRetryTime: 200, multiplier: 2, factor: 0.2, maxRetryTime: 5_000, retries: 5 },
    logLevel: logLevel.INFO,
    logCreator: forwardTo(log),
    ...(options.ssl && { ssl: { ...options.ssl } }),
    ...(options.sasl && { sasl: { ...options.sasl } as NonNullable<KafkaConfig['sasl']> }),
  });
  let admin: Promise<Admin> | undefined;
  return {
    kafkajs,
    admin: () =>
      (admin ??= connectAdmin(kafkajs).catch((error: unknown) => {
        admin = undefined;
        throw error;
      })),
    async close() {
      const opened = admin;
      admin = undefined;
      await (await opened?.catch(() => undefined))?.disconnect();
    },
  };
}

async function connectAdmin(kafkajs: Kafka): Promise<Admin> {
  const admin = kafkajs.admin();
  await admin.connect();
  return admin;
}

function forwardTo(log: Log | undefined): logCreator {
  return () => (entry) => {
    if (!log) return;
    const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...fields } = entry.log;
    const line = { kafkajs: entry.namespace, ...fields };
    log.debug(line, message);
  };
}
