import { isRefused } from '../../kafka/refusal';
import { TallymanError } from '../../lib/errors';
import { tlsFaultOf, withoutOpenSslDetails, type TlsFault } from '../../lib/text/tls-fault';

/** An error for its reader: one line, a code, and what to do, whichever library it came from. */
export function describeError(error: unknown): TallymanError {
  const chain = causesOf(error);
  const own = chain.find((cause) => cause instanceof TallymanError);
  if (own) return own;
  const [first] = chain;
  const root = chain.at(-1);
  const message = firstLine(root?.message ?? String(error));
  // Redis's common refusals already have codes of their own.
  if (chain.some(({ name }) => name === 'ReplyError')) {
    return new TallymanError(
      'REDIS_REFUSED',
      `Redis answered "${message}". \`tallyman doctor\` checks its settings.`,
      {},
      { cause: error },
    );
  }
  if (/SASL .* authentication failed/.test(message))
    return new TallymanError(
      'KAFKA_ACCESS',
      `Kafka refuses the user or the password: ${message}. Correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.`,
      {},
      { cause: error },
    );
  if (isRefused(message))
    return new TallymanError(
      'KAFKA_ACCESS',
      `Kafka does not let this user do so: ${message}. Grant the user of this verb what docs/operating/security.md lists.`,
      {},
      { cause: error },
    );
  if (first?.name.startsWith('KafkaJS')) {
    return new TallymanError(
      'KAFKA_UNAVAILABLE',
      `Kafka did not do what was asked: ${message}. ${kafkaRemedy(message)}`,
      {},
      { cause: error },
    );
  }
  const { syscall, code: errno, address, port, path } = (root ?? {}) as NodeJS.ErrnoException & ListenError;
  if (syscall === 'listen')
    return new TallymanError(
      'PORT_TAKEN',
      `Cannot listen on ${address}:${port}: ${message}. Set TALLYMAN_HOST and TALLYMAN_PORT to a free address.`,
      {},
      { cause: error },
    );
  if (syscall !== undefined && (path !== undefined || DISK_FAULTS.has(errno ?? '')))
    return new TallymanError(
      'FILE_UNUSABLE',
      `${message}. ${FILE_REMEDIES[errno ?? ''] ?? 'Check the path, its permissions and the free space.'}`,
      { path },
      { cause: error },
    );
  return new TallymanError(
    'UNEXPECTED',
    `${message}. This is a fault of Tallyman; LOG_LEVEL=debug shows where it happened.`,
    {},
    { cause: error },
  );
}

const FILE_REMEDIES: Readonly<Record<string, string>> = {
  EEXIST: 'Name another path, or remove what is there.',
  EISDIR: 'Name a file, not a folder.',
  ENOENT: 'Create the folder, or correct the path.',
  ENOTDIR: 'A part of the path is a file: correct the path.',
};

/** Node names no path where an open file is written. */
const DISK_FAULTS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO', 'EROFS']);

/** What the text of an error of kafkajs contains, and what to do then. */
const KAFKA_REMEDIES: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /current SASL state/,
    'This port does not use SASL: unset KAFKA_SASL_MECHANISM, or name the SASL port in KAFKA_BROKERS.',
  ],
  [
    /group coordinator/,
    'Check that the brokers run, and that this user has the rights on groups and transactional ids that ' +
      'docs/operating/security.md lists.',
  ],
  [
    /not support the requested SASL mechanism/,
    'Set KAFKA_SASL_MECHANISM to a mechanism that the brokers have enabled.',
  ],
  [
    /Closed connection|disconnected|ECONNRESET/,
    'Check that the brokers are running, and check the port in KAFKA_BROKERS. If it speaks TLS, set KAFKA_SSL=true; if it asks for a user, set ' +
      'KAFKA_SASL_MECHANISM; if it asks for a certificate, set KAFKA_SSL_CERT and KAFKA_SSL_KEY.',
  ],
];

const KAFKA_TLS_REMEDIES: Readonly<Record<TlsFault, string>> = {
  'not TLS':
    'KAFKA_SSL asks for TLS, which this port does not speak: unset KAFKA_SSL, or name the TLS port in KAFKA_BROKERS.',
  'unknown authority':
    'Let KAFKA_SSL_CA name a PEM file with the authority that signed the certificate of the brokers.',
  'wrong name': 'Name the brokers in KAFKA_BROKERS as their certificate does.',
  'refused client':
    'Let KAFKA_SSL_CERT and KAFKA_SSL_KEY name a certificate of this client that the brokers trust, and its key.',
  'wrong key': 'Let KAFKA_SSL_KEY name the key of the certificate that KAFKA_SSL_CERT names.',
  other: 'Check KAFKA_SSL_CA, KAFKA_SSL_CERT and KAFKA_SSL_KEY.',
};

function kafkaRemedy(message: string): string {
  const fault = tlsFaultOf(message);
  if (fault !== undefined) return KAFKA_TLS_REMEDIES[fault];
  const found = KAFKA_REMEDIES.find(([pattern]) => pattern.test(message));
  return found?.[1] ?? 'Check that the brokers in KAFKA_BROKERS are running, then run this again.';
}

/** What Node says of a port that cannot be listened on. */
interface ListenError {
  readonly address?: string;
  readonly port?: number;
}

/** The error, its cause, the cause of that, and so on. */
function causesOf(error: unknown): Error[] {
  const chain: Error[] = [];
  let next: unknown = error;
  while (next instanceof Error && !chain.includes(next)) {
    chain.push(next);
    next = next.cause;
  }
  return chain;
}

const firstLine = (text: string): string => withoutOpenSslDetails(text).split('\n', 1)[0]!.replace(/\.$/, '');
