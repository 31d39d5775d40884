import { TallymanError } from './errors';
import { readSettings, type SettingValues } from './settings-table';

/** What TLS is made with, as PEM texts. Without an authority, those of the system are trusted. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The address of Kafka and how to sign in. */
export interface KafkaOptions {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** If present, TLS is used. */
  readonly ssl?: TlsOptions;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
}

/** All settings, read from the environment once and checked together. */
export interface Config {
  readonly kafka: KafkaOptions;
  readonly redisUrl: string;
  /** For `rediss://`. */
  readonly redisTls: TlsOptions;
  /**
   * Put before every topic and key, so that several installations can share one Kafka and one
   * Redis. `''` for none.
   */
  readonly prefix: string;
  /** A catalog file. If absent, the built-in catalog is used. */
  readonly catalogPath: string | undefined;
  /** A file with the issuer of the invoices (`schemas/seller.v1.json`). */
  readonly sellerPath: string | undefined;
  /** The IANA zone whose calendar months are billed. */
  readonly billingZone: string;
  readonly rounding: 'per-minute' | 'per-second';
  /**
   * How far an event's time may be after (`futureMs`) or before (`pastMs`) its record's timestamp,
   * and how long one usage may be (`durationMs`).
   */
  readonly limits: { readonly futureMs: number; readonly pastMs: number; readonly durationMs: number };
  /** How long after its end a closed month stays in Redis. */
  readonly keepClosedMs: number;
  /** Where `consume` serves health and metrics; nowhere if `port` is undefined. */
  readonly health: {
    readonly host: string;
    readonly port: number | undefined;
    readonly stuckAfterMs: number;
  };
  readonly logLevel: string;
  readonly web: WebConfig;
  readonly livekit: LiveKitConfig;
}

/** The settings of the bridge from LiveKit. */
export interface LiveKitConfig {
  /**
   * API key -> secret, for the keys that LiveKit may sign its webhooks with. If empty, no webhook
   * is accepted.
   */
  readonly keys: ReadonlyMap<string, string>;
  /** A file with the rules that turn webhooks into usage (`schemas/livekit-mapping.v1.json`). */
  readonly mappingPath: string | undefined;
  /** LiveKit's own URL, to list who is still connected. */
  readonly url: string | undefined;
  /** If nobody has seen a session for this long, it has ended. */
  readonly sessionLimitMs: number;
  /** A folder that keeps webhooks while Kafka is away. */
  readonly spoolFolder: string | undefined;
  readonly spoolBytesMax: number;
}

/**
 * The settings of `serve`. They are checked for every verb, so that a wrong value is found before
 * it is needed.
 */
export interface WebConfig {
  readonly host: string;
  readonly port: number;
  /** Signs and checks tokens (HS256). `serve`, `gateway` and `token` refuse to run without it. */
  readonly authSecret: string | undefined;
  /**
   * Whether a proxy's headers with the client's address and protocol are trusted, or the addresses
   * of trusted proxies.
   */
  readonly trustProxy: boolean | string;
  /** The origins whose scripts may use the API; none by default. */
  readonly corsOrigins: readonly string[];
}

/**
 * Reads the settings from an environment, this process's by default.
 *
 * @throws TallymanError `BAD_CONFIG`, which lists every problem, so that one restart is enough to
 *   correct them all
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const { values, problems } = readSettings(env);
  if (problems.length > 0) {
    throw new TallymanError('BAD_CONFIG', ['Invalid configuration:', ...problems].join('\n  - '), {
      problems,
    });
  }
  return {
    kafka: kafkaOptions(values),
    redisUrl: values.REDIS_URL,
    redisTls: tlsOptions(values.REDIS_TLS_CA, values.REDIS_TLS_CERT, values.REDIS_TLS_KEY),
    prefix: values.TALLYMAN_PREFIX,
    catalogPath: values.TALLYMAN_CATALOG,
    sellerPath: values.TALLYMAN_SELLER,
    billingZone: values.TALLYMAN_BILLING_ZONE,
    rounding: values.TALLYMAN_ROUNDING,
    limits: {
      futureMs: values.TALLYMAN_FUTURE_LIMIT,
      pastMs: values.TALLYMAN_PAST_LIMIT,
      durationMs: values.TALLYMAN_DURATION_LIMIT,
    },
    keepClosedMs: values.TALLYMAN_KEEP_CLOSED ?? values.TALLYMAN_PAST_LIMIT,
    health: {
      host: values.TALLYMAN_HEALTH_HOST,
      port: values.TALLYMAN_HEALTH_PORT,
      stuckAfterMs: values.TALLYMAN_STUCK_AFTER,
    },
    logLevel: values.LOG_LEVEL,
    web: {
      host: values.TALLYMAN_HOST,
      port: values.TALLYMAN_PORT,
      authSecret: values.TALLYMAN_AUTH_SECRET,
      trustProxy: values.TALLYMAN_TRUST_PROXY,
      corsOrigins: values.TALLYMAN_CORS_ORIGINS ?? [],
    },
    livekit: {
      keys: livekitKeys(values),
      mappingPath: values.TALLYMAN_LIVEKIT_MAPPING,
      url: values.LIVEKIT_URL,
      sessionLimitMs: values.TALLYMAN_LIVEKIT_SESSION_LIMIT,
      spoolFolder: values.TALLYMAN_SPOOL,
      spoolBytesMax: values.TALLYMAN_SPOOL_MIB,
    },
  };
}

function kafkaOptions(values: SettingValues): KafkaOptions {
  const { KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key } = values;
  const usesTls = values.KAFKA_SSL || ca !== undefined || cert !== undefined;
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username = '',
    KAFKA_SASL_PASSWORD: password = '',
  } = values;
  return {
    brokers: values.KAFKA_BROKERS,
    clientId: values.KAFKA_CLIENT_ID,
    ...(usesTls && { ssl: tlsOptions(ca, cert, key) }),
    ...(mechanism && { sasl: { mechanism, username, password } }),
  };
}

const tlsOptions = (
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
): TlsOptions => ({
  ...(ca !== undefined && { ca }),
  ...(cert !== undefined && { cert }),
  ...(key !== undefined && { key }),
});

function livekitKeys(values: SettingValues): ReadonlyMap<string, string> {
  const { LIVEKIT_API_KEY: key, LIVEKIT_API_SECRET: secret, LIVEKIT_KEYS: more = [] } = values;
  return new Map([...(key !== undefined && secret !== undefined ? [[key, secret] as const] : []), ...more]);
}

/** Whether errors are printed with their stack, which only helps to debug the program. */
export const printsStacks = (): boolean => /^(debug|trace)$/.test(process.env['LOG_LEVEL'] ?? '');

/** Whether the user wants no colors (no-color.org). */
export const refusesColour = (): boolean => (process.env['NO_COLOR'] ?? '') !== '';
