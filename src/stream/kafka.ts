import { Kafka, logLevel, type Admin, type KafkaConfig, type LogEntry } from 'kafkajs';
import type { Log } from '../log';
import { registerCodecs } from './codecs';
import { applyKafkajsWorkarounds } from './kafkajs-workarounds';

export interface KafkaOptions {
  readonly brokers: string[];
  readonly clientId: string;
  readonly ssl?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: NonNullable<KafkaConfig['sasl']>;
}

/** One installation's Kafka. Connections are opened by those who use it; the admin's is shared. */
export interface KafkaClient {
  readonly kafka: Kafka;
  admin(): Promise<Admin>;
  /** Ends the shared admin connection. May be called again. */
  close(): Promise<void>;
}

/** Rides out a broker's restart of about a minute; after that the owner is told, and its process ends. */
const RETRY = { initialRetryTime: 200, maxRetryTime: 5_000, retries: 16 };

export function openKafka(options: KafkaOptions, log: Log): KafkaClient {
  registerCodecs();
  applyKafkajsWorkarounds();
  const kafka = new Kafka({
    clientId: options.clientId,
    brokers: options.brokers,
    ...(options.ssl && { ssl: options.ssl }),
    ...(options.sasl && { sasl: options.sasl }),
    retry: RETRY,
    connectionTimeout: 5_000,
    logLevel: logLevel.WARN,
    logCreator: () => logInto(log),
  });
  let admin: Promise<Admin> | undefined;
  return {
    kafka,
    admin: () =>
      (admin ??= (async () => {
        const opened = kafka.admin();
        await opened.connect();
        return opened;
      })()),
    async close() {
      const opened = admin;
      admin = undefined;
      await (await opened?.catch(() => undefined))?.disconnect();
    },
  };
}

/** kafkajs tells of every retry as an error. What matters reaches us as a rejection; the rest is for debugging. */
function logInto(log: Log): (entry: LogEntry) => void {
  return ({ namespace, log: { message, ...fields } }) => {
    log.debug({ kafkajs: namespace, ...fields }, message);
  };
}
