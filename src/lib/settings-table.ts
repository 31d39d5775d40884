import * as kind from './setting-kinds';

/** One setting of the environment. */
export interface Setting<T> {
  readonly kind: kind.Kind<T>;
  /** The text that is read if the variable is not set or empty. */
  readonly fallback?: string;
  /** What it is for, in Markdown, as the documents and the help show it. */
  readonly purpose: string;
  /** The verbs whose work it changes. All verbs check all settings at their start. */
  readonly verbs: readonly string[];
  /** Other settings that must be set if this one is. */
  readonly needs?: readonly string[];
  /** Whether its value must not be printed. */
  readonly secret?: true;
}

type Rest = Omit<Setting<unknown>, 'kind' | 'fallback'>;

const optional = <T>(of: kind.Kind<T>, rest: Rest): Setting<T | undefined> => ({ kind: of, ...rest });
const defaulted = <T>(of: kind.Kind<T>, fallback: string, rest: Rest): Setting<T> => ({
  ...{ kind: of, fallback },
  ...rest,
});

/** A month has at most 31 days, so no month can contain a longer usage. */
export const DEFAULT_DURATION_LIMIT = '31d';

const BILLING = ['projects', 'close', 'invoices', 'explain', 'alerts', 'verify', 'top', 'serve'];
const KAFKA = [
  'init',
  'grow',
  'consume',
  'publish',
  'gateway',
  'token',
  'bridge',
  'dead-letters',
  'rebuild',
  'doctor',
  ...BILLING,
];
const REDIS = ['init', 'grow', 'consume', 'bridge', 'totals', 'keys', 'rebuild', 'doctor', ...BILLING];
const EVERY = [...new Set([...KAFKA, ...REDIS, 'catalog', 'token', 'completion', 'healthcheck'])];
const COUNTING = ['init', 'grow', 'consume', 'close', 'explain', 'verify', 'rebuild', 'doctor'];
const LIMITS = [...COUNTING, 'publish', 'gateway'];
const SERVERS = ['serve', 'gateway', 'bridge'];
const PROBED = ['consume', 'verify', 'close', 'serve', 'gateway', 'bridge', 'alerts', 'healthcheck'];
const WEBHOOKS = ['gateway', 'bridge'];

/**
 * Every setting. The configuration, its errors, the help and the table in
 * `docs/operating/settings.md` are made of it (`npm run docs:settings`).
 */
export const SETTINGS = {
  KAFKA_BROKERS: defaulted(kind.brokers, '127.0.0.1:9092', {
    purpose: 'host:port, separated by commas',
    verbs: KAFKA,
  }),
  KAFKA_SSL: defaulted(kind.trueOrFalse, 'false', {
    purpose: '`true` for TLS; implied by the certificates below',
    verbs: KAFKA,
  }),
  KAFKA_SSL_CA: optional(kind.pemFile, { purpose: 'a PEM file with the authority to trust', verbs: KAFKA }),
  KAFKA_SSL_CERT: optional(kind.pemFile, {
    purpose: "a PEM file with this client's certificate",
    verbs: KAFKA,
    needs: ['KAFKA_SSL_KEY'],
  }),
  KAFKA_SSL_KEY: optional(kind.pemFile, {
    purpose: "a PEM file with the certificate's key",
    verbs: KAFKA,
    needs: ['KAFKA_SSL_CERT'],
  }),
  KAFKA_SASL_MECHANISM: optional(kind.oneOfAnyCase('plain', 'scram-sha-256', 'scram-sha-512'), {
    purpose: '`plain`, `scram-sha-256` or `scram-sha-512`',
    verbs: KAFKA,
    needs: ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
  }),
  KAFKA_SASL_USERNAME: optional(kind.text, {
    purpose: 'the user of that mechanism',
    verbs: KAFKA,
    needs: ['KAFKA_SASL_MECHANISM'],
  }),
  KAFKA_SASL_PASSWORD: optional(kind.password, {
    purpose: "that user's password",
    verbs: KAFKA,
    secret: true,
  }),
  KAFKA_CLIENT_ID: defaulted(kind.text, 'tallyman', { purpose: 'the name that Kafka logs', verbs: KAFKA }),
  REDIS_URL: defaulted(kind.redisUrl, 'redis://127.0.0.1:6379', {
    purpose:
      '`rediss://` for TLS; several nodes separated by commas, or `redis+cluster://`, for a cluster. It may hold a password',
    verbs: REDIS,
    secret: true,
  }),
  REDIS_TLS_CA: optional(kind.pemFile, {
    purpose: 'a PEM file with the authority to trust, for `rediss://`',
    verbs: REDIS,
  }),
  REDIS_TLS_CERT: optional(kind.pemFile, {
    purpose: "a PEM file with this client's certificate",
    verbs: REDIS,
    needs: ['REDIS_TLS_KEY'],
  }),
  REDIS_TLS_KEY: optional(kind.pemFile, {
    purpose: "a PEM file with the certificate's key",
    verbs: REDIS,
    needs: ['REDIS_TLS_CERT'],
  }),
  TALLYMAN_PREFIX: defaulted(
    kind.pattern(/^[A-Za-z0-9_-]{0,64}$/, 'letters, digits, _ and -, at most 64'),
    '',
    {
      purpose: 'put before every topic and key, so that installations can share Kafka and Redis',
      verbs: [...new Set([...KAFKA, ...REDIS])],
    },
  ),
  TALLYMAN_CATALOG: optional(kind.text, {
    purpose: 'a file of plans and prices (`schemas/catalog.v1.json`); the built-in catalog if not set',
    verbs: ['catalog', ...BILLING],
  }),
  TALLYMAN_SELLER: optional(kind.text, {
    purpose:
      'a file with the issuer of the invoices: `{ "name", "address": [], "email", "taxId", "note" }` (`schemas/seller.v1.json`)',
    verbs: ['close', 'invoices', 'verify', 'serve'],
  }),
  TALLYMAN_BILLING_ZONE: defaulted(kind.zone, 'UTC', {
    purpose: 'the time zone whose calendar months are billed',
    verbs: [...new Set([...COUNTING, ...BILLING, 'totals', 'keys', 'catalog'])],
  }),
  TALLYMAN_ROUNDING: defaulted(kind.oneOf('per-minute', 'per-second'), 'per-minute', {
    purpose: '`per-minute` or `per-second`',
    verbs: COUNTING,
  }),
  TALLYMAN_FUTURE_LIMIT: defaulted(kind.duration, '1h', {
    purpose: "how far an event's time may be after its record's timestamp",
    verbs: LIMITS,
  }),
  TALLYMAN_PAST_LIMIT: defaulted(kind.duration, '400d', {
    purpose: "how far an event's time may be before its record's timestamp",
    verbs: LIMITS,
  }),
  TALLYMAN_KEEP_CLOSED: optional(kind.duration, {
    purpose:
      'how long after its end a closed month stays in Redis; after that it is read from `billing.totals`. As long as ' +
      '`TALLYMAN_PAST_LIMIT` if not set, so that late usage still finds its month in Redis',
    verbs: ['close', 'rebuild'],
  }),
  TALLYMAN_DURATION_LIMIT: defaulted(kind.duration, DEFAULT_DURATION_LIMIT, {
    purpose: 'how long one usage may be; a longer one becomes a dead letter (`implausible`)',
    verbs: LIMITS,
  }),
  TALLYMAN_AUTH_SECRET: optional(kind.authSecret, {
    purpose: 'signs and checks tokens; at least 32 bytes. `serve`, `gateway` and `token` need it',
    verbs: ['serve', 'gateway', 'token'],
    secret: true,
  }),
  TALLYMAN_HOST: defaulted(kind.text, '127.0.0.1', { purpose: 'the address to listen on', verbs: SERVERS }),
  TALLYMAN_PORT: defaulted(kind.port, '8080', {
    purpose: 'the port to listen on; 0 for any free port',
    verbs: SERVERS,
  }),
  TALLYMAN_TRUST_PROXY: defaulted(kind.trustedProxies, 'false', {
    purpose: '`true`, or the addresses of the proxies whose `X-Forwarded-*` headers are trusted',
    verbs: SERVERS,
  }),
  TALLYMAN_CORS_ORIGINS: optional(kind.origins, {
    purpose:
      'the origins whose scripts may use the API with a token, such as `https://app.example.com`, separated by commas; none if not set',
    verbs: ['serve'],
  }),
  TALLYMAN_HEALTH_PORT: optional(kind.port, {
    purpose: 'the port of health and metrics; 0 for any free port. Without it there are none',
    verbs: PROBED,
  }),
  TALLYMAN_HEALTH_HOST: defaulted(kind.text, '127.0.0.1', {
    purpose: 'the address of that port; `0.0.0.0` in a container',
    verbs: PROBED,
  }),
  TALLYMAN_STUCK_AFTER: defaulted(kind.duration, '60s', {
    purpose: 'a partition with lag whose cursor has not moved this long is reported',
    verbs: ['consume', 'serve'],
  }),
  LIVEKIT_API_KEY: optional(kind.text, {
    purpose: 'the key that LiveKit signs its webhooks with',
    verbs: WEBHOOKS,
    needs: ['LIVEKIT_API_SECRET'],
  }),
  LIVEKIT_API_SECRET: optional(kind.text, {
    purpose: 'the secret of that key',
    verbs: WEBHOOKS,
    needs: ['LIVEKIT_API_KEY'],
    secret: true,
  }),
  LIVEKIT_KEYS: optional(kind.keyPairs, {
    purpose: 'several keys: `key: secret, key2: secret2`',
    verbs: WEBHOOKS,
    secret: true,
  }),
  LIVEKIT_URL: optional(
    kind.pattern(/^(https?|wss?):\/\/[^\s/]+/, 'http(s)://host:port or ws(s)://host:port'),
    { purpose: "LiveKit's own URL, for `bridge livekit --watch`", verbs: ['bridge'] },
  ),
  TALLYMAN_LIVEKIT_SESSION_LIMIT: defaulted(kind.duration, '24h', {
    purpose: 'a session that nobody has seen this long has ended',
    verbs: ['bridge'],
  }),
  TALLYMAN_LIVEKIT_MAPPING: optional(kind.text, {
    purpose: 'a file with the rules from rooms to projects (`schemas/livekit-mapping.v1.json`)',
    verbs: WEBHOOKS,
  }),
  TALLYMAN_SPOOL: optional(kind.text, {
    purpose: 'a folder that keeps webhooks while Kafka is away',
    verbs: WEBHOOKS,
  }),
  TALLYMAN_SPOOL_MIB: defaulted(kind.mebibytes, '256', {
    purpose: 'the limit of that folder in MiB',
    verbs: WEBHOOKS,
  }),
  LOG_LEVEL: defaulted(kind.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), 'info', {
    purpose: "pino's levels; logs are JSON lines on stderr",
    verbs: EVERY,
  }),
};

export type SettingName = keyof typeof SETTINGS;

/** The value of each setting. */
export type SettingValues = {
  readonly [K in SettingName]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};

/**
 * Reads every setting. If there are problems, the values are not complete.
 */
export function readSettings(env: NodeJS.ProcessEnv): {
  readonly values: SettingValues;
  readonly problems: readonly string[];
} {
  const problems = misspeltSettings(env);
  const values: Record<string, unknown> = {};
  const isSet = (name: string): boolean => (env[name] ?? '').trim() !== '';
  for (const [name, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const given = isSet(name) ? (setting.kind.verbatim ? env[name] : env[name]?.trim()) : setting.fallback;
    const read = given === undefined ? { value: undefined } : setting.kind.read(given);
    if ('value' in read) values[name] = read.value;
    else problems.push(`${name} ${read.problem}`);
    const missing = isSet(name) ? (setting.needs ?? []).filter((other) => !isSet(other)) : [];
    if (missing.length > 0) problems.push(`${name} is set: set ${missing.join(' and ')} too`);
  }
  const { REDIS_URL: url, REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert } = values;
  if ((ca !== undefined || cert !== undefined) && typeof url === 'string' && !url.startsWith('rediss'))
    problems.push('REDIS_URL does not ask for TLS, and REDIS_TLS_CA or REDIS_TLS_CERT is set: use rediss://');
  return { values: values as SettingValues, problems };
}

/**
 * Reports names that differ by one letter from a setting that is not set. Other names belong to
 * other programs.
 */
function misspeltSettings(env: NodeJS.ProcessEnv): string[] {
  const unset = Object.keys(SETTINGS).filter((name) => env[name] === undefined);
  return Object.keys(env).flatMap((name) => {
    if (Object.hasOwn(SETTINGS, name)) return [];
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
