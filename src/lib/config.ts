import { readFileSync } from 'node:fs';
import { TallymanError } from './errors';
import { isZone } from '../rating/billing-calendar';
import { parseSpan } from './text/duration-text';

/** The address of Kafka and how to sign in. */
export interface KafkaOptions {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** PEM texts. If present, TLS is used. */
  readonly ssl?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
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
}

/** A month has at most 31 days, so no month can contain a longer usage. */
export const DEFAULT_DURATION_LIMIT = '31d';

/** HS256 is as strong as its key: RFC 7518 asks for at least the 256 bits of the hash. */
const AUTH_SECRET_MIN_BYTES = 32;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** Every setting. `docs/operating/settings.md` and `docs/livekit.md` describe them. */
export const SETTING_NAMES: readonly string[] = [
  ...['KAFKA_BROKERS', 'KAFKA_CLIENT_ID', 'KAFKA_SSL', 'KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'],
  ...['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD', 'REDIS_URL', 'LOG_LEVEL'],
  ...['TALLYMAN_PREFIX', 'TALLYMAN_CATALOG', 'TALLYMAN_SELLER', 'TALLYMAN_BILLING_ZONE', 'TALLYMAN_ROUNDING'],
  ...['TALLYMAN_FUTURE_LIMIT', 'TALLYMAN_PAST_LIMIT', 'TALLYMAN_DURATION_LIMIT', 'TALLYMAN_STUCK_AFTER'],
  ...['TALLYMAN_HEALTH_HOST', 'TALLYMAN_HEALTH_PORT', 'TALLYMAN_HOST', 'TALLYMAN_PORT'],
  ...['TALLYMAN_AUTH_SECRET', 'TALLYMAN_TRUST_PROXY', 'TALLYMAN_LIVEKIT_MAPPING', 'TALLYMAN_SPOOL'],
  ...['TALLYMAN_SPOOL_MIB', 'LIVEKIT_API_KEY', 'LIVEKIT_API_SECRET', 'LIVEKIT_KEYS'],
  ...['LIVEKIT_URL', 'TALLYMAN_LIVEKIT_SESSION_LIMIT'],
];

/**
 * Reports names that differ by one letter from a setting that is not set. Other names belong to
 * other programs.
 */
function misspeltSettings(env: NodeJS.ProcessEnv): string[] {
  const unset = SETTING_NAMES.filter((name) => env[name] === undefined);
  return Object.keys(env).flatMap((name) => {
    if (SETTING_NAMES.includes(name)) return [];
    const meant = unset.find((setting) => differsByOneLetter(name, setting));
    return meant === undefined ? [] : [`${name} is not a setting: did you mean ${meant}?`];
  });
}

/** A letter is missing, added or replaced, or two are swapped. */
function differsByOneLetter(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false;
  let at = 0;
  while (a[at] === b[at]) at += 1;
  const [restA, restB] = [a.slice(at), b.slice(at)];
  return (
    restA.slice(1) === restB ||
    restA === restB.slice(1) ||
    restA.slice(1) === restB.slice(1) ||
    `${restA[1]}${restA[0]}${restA.slice(2)}` === restB
  );
}

/**
 * Reads the settings from an environment, this process's by default.
 *
 * @throws TallymanError `BAD_CONFIG`, which lists every problem, so that one restart is enough to
 *   correct them all
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const problems = misspeltSettings(env);
  const read = (name: string): string | undefined => {
    const value = env[name]?.trim();
    return value === '' ? undefined : value;
  };
  const oneOf = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const value = read(name);
    if (value === undefined) return fallback;
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) problems.push(`${name} is "${value}": use one of ${allowed.join(', ')}`);
    return found ?? fallback;
  };
  const span = (name: string, fallback: string): number => {
    const text = read(name) ?? fallback;
    const spanMs = parseSpan(text);
    if (spanMs === undefined) problems.push(`${name} is "${text}": use a duration such as 90m, 1h or 400d`);
    return spanMs ?? 0;
  };
  const port = (name: string): number | undefined => {
    const text = read(name);
    if (text === undefined) return undefined;
    if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
    problems.push(`${name} is "${text}": use a port from 0 (any that is free) to 65535`);
    return undefined;
  };
  const file = (name: string): string | undefined => {
    const path = read(name);
    if (path === undefined) return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      problems.push(`${name} names "${path}", which cannot be read: ${String(error)}`);
      return undefined;
    }
  };

  const brokers = (read('KAFKA_BROKERS') ?? '127.0.0.1:9092').split(',').map((broker) => broker.trim());
  for (const broker of brokers) {
    if (!/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/.test(broker)) {
      problems.push(`KAFKA_BROKERS holds "${broker}": each broker is host:port, separated by commas`);
    }
  }

  const redisUrl = read('REDIS_URL') ?? 'redis://127.0.0.1:6379';
  for (const node of redisUrl.split(',')) {
    if (!/^(rediss?(\+cluster)?:\/\/)?[^\s/]+(\/\d+)?$/.test(node.trim())) {
      problems.push(
        `REDIS_URL holds "${hidePassword(node)}": use redis://host:port, rediss://..., or nodes of a cluster by commas`,
      );
    }
  }

  const prefix = read('TALLYMAN_PREFIX') ?? '';
  if (!/^[A-Za-z0-9_-]{0,64}$/.test(prefix)) {
    problems.push(`TALLYMAN_PREFIX is "${prefix}": use letters, digits, _ and -, at most 64`);
  }

  const billingZone = read('TALLYMAN_BILLING_ZONE') ?? 'UTC';
  if (!isZone(billingZone)) {
    problems.push(`TALLYMAN_BILLING_ZONE is "${billingZone}": use an IANA zone such as UTC or Europe/Berlin`);
  }

  const mechanism = read('KAFKA_SASL_MECHANISM');
  const username = read('KAFKA_SASL_USERNAME');
  const password = env['KAFKA_SASL_PASSWORD'];
  let sasl: KafkaOptions['sasl'];
  if (mechanism !== undefined) {
    const known = SASL_MECHANISMS.find((candidate) => candidate === mechanism.toLowerCase());
    if (known === undefined) {
      problems.push(`KAFKA_SASL_MECHANISM is "${mechanism}": use one of ${SASL_MECHANISMS.join(', ')}`);
    } else if (username === undefined || !password) {
      problems.push(
        'KAFKA_SASL_MECHANISM is set: KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD must be set too',
      );
    } else {
      sasl = { mechanism: known, username, password };
    }
  } else if (username !== undefined) {
    problems.push('KAFKA_SASL_USERNAME is set without KAFKA_SASL_MECHANISM');
  }

  const ca = file('KAFKA_SSL_CA');
  const cert = file('KAFKA_SSL_CERT');
  const key = file('KAFKA_SSL_KEY');
  if ((cert === undefined) !== (key === undefined)) {
    problems.push('KAFKA_SSL_CERT and KAFKA_SSL_KEY go together: set both or neither');
  }
  const ssl =
    oneOf('KAFKA_SSL', ['true', 'false'], 'false') === 'true' || ca !== undefined || cert !== undefined;

  const authSecret = read('TALLYMAN_AUTH_SECRET');
  if (authSecret !== undefined && Buffer.byteLength(authSecret) < AUTH_SECRET_MIN_BYTES) {
    problems.push(
      `TALLYMAN_AUTH_SECRET has ${Buffer.byteLength(authSecret)} bytes: use ${AUTH_SECRET_MIN_BYTES} or more, e.g. from \`openssl rand -hex 32\``,
    );
  }
  const livekitKeys = new Map<string, string>();
  const livekitKey = read('LIVEKIT_API_KEY');
  const livekitSecret = read('LIVEKIT_API_SECRET');
  if ((livekitKey === undefined) !== (livekitSecret === undefined)) {
    problems.push('LIVEKIT_API_KEY and LIVEKIT_API_SECRET go together: set both or neither');
  } else if (livekitKey !== undefined && livekitSecret !== undefined) {
    livekitKeys.set(livekitKey, livekitSecret);
  }
  for (const pair of (read('LIVEKIT_KEYS') ?? '').split(/[,\n]/)) {
    if (pair.trim() === '') continue;
    const [, key = '', secret = ''] = /^\s*([^:\s]+)\s*:\s*(\S+)\s*$/.exec(pair) ?? [];
    if (secret === '') problems.push('LIVEKIT_KEYS must hold `key: secret` pairs, separated by commas');
    else livekitKeys.set(key, secret);
  }
  const livekitUrl = read('LIVEKIT_URL');
  if (livekitUrl !== undefined && !/^(https?|wss?):\/\/[^\s/]+/.test(livekitUrl)) {
    problems.push(`LIVEKIT_URL is "${livekitUrl}": use http(s)://host:port or ws(s)://host:port`);
  }
  const spoolMib = read('TALLYMAN_SPOOL_MIB') ?? '256';
  if (!/^[1-9]\d{0,5}$/.test(spoolMib)) {
    problems.push(`TALLYMAN_SPOOL_MIB is "${spoolMib}": use a whole number of MiB from 1 to 999999`);
  }

  const trustProxy = read('TALLYMAN_TRUST_PROXY') ?? 'false';

  const config: Config = {
    kafka: {
      brokers,
      clientId: read('KAFKA_CLIENT_ID') ?? 'tallyman',
      ...(ssl && {
        ssl: {
          ...(ca !== undefined && { ca }),
          ...(cert !== undefined && { cert }),
          ...(key !== undefined && { key }),
        },
      }),
      ...(sasl && { sasl }),
    },
    redisUrl,
    prefix,
    catalogPath: read('TALLYMAN_CATALOG'),
    sellerPath: read('TALLYMAN_SELLER'),
    billingZone,
    rounding: oneOf('TALLYMAN_ROUNDING', ['per-minute', 'per-second'], 'per-minute'),
    limits: {
      futureMs: span('TALLYMAN_FUTURE_LIMIT', '1h'),
      pastMs: span('TALLYMAN_PAST_LIMIT', '400d'),
      durationMs: span('TALLYMAN_DURATION_LIMIT', DEFAULT_DURATION_LIMIT),
    },
    health: {
      host: read('TALLYMAN_HEALTH_HOST') ?? '127.0.0.1',
      port: port('TALLYMAN_HEALTH_PORT'),
      stuckAfterMs: span('TALLYMAN_STUCK_AFTER', '60s'),
    },
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    web: {
      host: read('TALLYMAN_HOST') ?? '127.0.0.1',
      port: port('TALLYMAN_PORT') ?? 8_080,
      authSecret,
      trustProxy: trustProxy === 'true' || (trustProxy !== 'false' && trustProxy),
    },
    livekit: {
      keys: livekitKeys,
      mappingPath: read('TALLYMAN_LIVEKIT_MAPPING'),
      url: livekitUrl,
      sessionLimitMs: span('TALLYMAN_LIVEKIT_SESSION_LIMIT', '24h'),
      spoolFolder: read('TALLYMAN_SPOOL'),
      spoolBytesMax: Number(spoolMib) * 1_048_576,
    },
  };
  if (problems.length > 0) {
    throw new TallymanError('BAD_CONFIG', ['Invalid configuration:', ...problems].join('\n  - '), {
      problems,
    });
  }
  return config;
}

/** A URL for the log, without its password. */
export function hidePassword(url: string): string {
  return url.replace(/\/\/([^:/@]*):[^@]*@/, '//$1:***@');
}

/** Whether errors are printed with their stack, which only helps to debug the program. */
export const printsStacks = (): boolean => /^(debug|trace)$/.test(process.env['LOG_LEVEL'] ?? '');

/** Whether the user wants no colors (no-color.org). */
export const refusesColour = (): boolean => (process.env['NO_COLOR'] ?? '') !== '';
