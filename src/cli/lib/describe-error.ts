import { TallymanError } from '../../lib/errors';

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
  if (first?.name.startsWith('KafkaJS')) {
    return new TallymanError(
      'KAFKA_UNAVAILABLE',
      `Kafka did not do what was asked: ${message}. Check that the brokers in KAFKA_BROKERS are running, then run this again.`,
      {},
      { cause: error },
    );
  }
  const { syscall, address, port, path } = (root ?? {}) as NodeJS.ErrnoException & ListenError;
  if (syscall === 'listen')
    return new TallymanError(
      'PORT_TAKEN',
      `Cannot listen on ${address}:${port}: ${message}.`,
      {},
      { cause: error },
    );
  if (syscall !== undefined && path !== undefined)
    return new TallymanError('FILE_UNUSABLE', `${message}.`, { path }, { cause: error });
  return new TallymanError(
    'UNEXPECTED',
    `${message}. This is a fault of Tallyman; LOG_LEVEL=debug shows where it happened.`,
    {},
    { cause: error },
  );
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

const firstLine = (text: string): string => text.split('\n', 1)[0]!.replace(/\.$/, '');
