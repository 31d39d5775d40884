import { TallymanError, type ErrorCode } from '../lib/errors';
import { tlsFaultOf, withoutOpenSslDetails, type TlsFault } from '../lib/text/tls-fault';

/**
 * Redis cannot be reached, is still loading, or does not answer in time. It is unknown whether a
 * command that was under way took effect.
 */
export class RedisUnavailableError extends TallymanError {
  constructor(address: string, cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const reason = withoutOpenSslDetails(text).replace(/\.+$/, '');
    super(
      'REDIS_UNAVAILABLE',
      `Redis at ${address} does not answer: ${reason}. ${remedyOf(address, reason)}`,
      { address },
      { cause },
    );
  }
}

const TLS_UNCLEAR =
  'If this port does not speak TLS, set REDIS_URL to redis://HOST:PORT. If it asks for a certificate, set REDIS_TLS_CERT and REDIS_TLS_KEY.';

const TLS_REMEDIES: Readonly<Record<TlsFault, string>> = {
  'not TLS': 'Set REDIS_URL to redis://HOST:PORT if this port does not speak TLS.',
  'unknown authority':
    'Let REDIS_TLS_CA name a PEM file with the authority that signed the certificate of Redis.',
  'wrong name': 'Name the host in REDIS_URL as the certificate of Redis does.',
  'refused client':
    'Let REDIS_TLS_CERT and REDIS_TLS_KEY name a certificate of this client that Redis trusts, and its key.',
  'wrong key': 'Let REDIS_TLS_KEY name the key of the certificate that REDIS_TLS_CERT names.',
  other: 'Check REDIS_TLS_CA, REDIS_TLS_CERT and REDIS_TLS_KEY.',
};

/** What most likely keeps a Redis from answering, by its address and the client's reason. */
function remedyOf(address: string, reason: string): string {
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(reason)) return 'Check REDIS_URL and that Redis runs.';
  if (/slots cache|cluster support disabled/.test(reason))
    return 'Check that it is a cluster: for a single Redis, set REDIS_URL to redis://HOST:PORT.';
  if (address.startsWith('rediss')) {
    const fault = tlsFaultOf(reason);
    return fault === undefined ? TLS_UNCLEAR : TLS_REMEDIES[fault];
  }
  return (
    'Check that REDIS_URL names the port of Redis. If the port speaks TLS, use rediss://. A Redis in protected mode ' +
    'refuses other machines until it has a password.'
  );
}

/** A Sentinel knows which Redis is the primary, and holds no data itself. */
export const sentinelRefused = (address: string): TallymanError =>
  new TallymanError(
    'REDIS_IS_A_SENTINEL',
    `Redis at ${address} is a Sentinel, which this program does not follow to the primary. Set REDIS_URL to the ` +
      'primary, or an address that moves with it. Redis Cluster fails over without either.',
    { address },
  );

/** The first word of Redis's error, our code for it, and what to do. */
const REFUSALS: readonly (readonly [word: string, code: ErrorCode, problem: string, remedy: string])[] = [
  [
    'OOM',
    'REDIS_OUT_OF_MEMORY',
    'is out of memory',
    'Raise maxmemory, or close the months that are due, which frees their ids',
  ],
  [
    'MISCONF',
    'REDIS_CANNOT_PERSIST',
    'cannot write to its disk',
    'Check the free space of its disk and its log; `tallyman doctor` shows which write failed',
  ],
  ['LOADING', 'REDIS_LOADING', 'is still loading its data', 'Wait until it has, and run the command again'],
  ['READONLY', 'REDIS_READ_ONLY', 'is a replica, which takes no writes', 'Set REDIS_URL to the primary'],
  ['NOAUTH', 'REDIS_ACCESS', 'wants a password', 'Put it into REDIS_URL: redis://:<password>@<host>'],
  ['WRONGPASS', 'REDIS_ACCESS', 'refuses the user or the password', 'Correct them in REDIS_URL'],
  [
    'NOPERM',
    'REDIS_ACCESS',
    'does not let this user do so',
    'Extend the rights of the user that REDIS_URL names (ACL SETUSER)',
  ],
  [
    'CLUSTERDOWN',
    'REDIS_CLUSTER_DOWN',
    'is a cluster that is down',
    'Check it: redis-cli --cluster check <node>',
  ],
  ['MASTERDOWN', 'REDIS_MASTER_DOWN', 'is a replica without its primary', 'Set REDIS_URL to the primary'],
  [
    'NOREPLICAS',
    'REDIS_NO_REPLICAS',
    'has fewer replicas than min-replicas-to-write requires',
    'Start its replicas',
  ],
  [
    'MOVED',
    'REDIS_IS_A_CLUSTER',
    'is a node of a cluster',
    'Let REDIS_URL say so: redis+cluster://<host>:<port>',
  ],
  [
    'TRYAGAIN',
    'REDIS_SLOT_MOVES',
    'moves this slot to another node',
    'Wait until the slot has moved (redis-cli --cluster check <node>); --cluster fix ends a move that was broken off',
  ],
  [
    'BUSY',
    'REDIS_BUSY',
    'is busy with a script',
    'Wait until it has ended (SCRIPT KILL ends one that has written nothing)',
  ],
];

/** The codes of what passes by itself: a failover, a restart, a slot that moves, a long script. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REDIS_UNAVAILABLE',
  'REDIS_LOADING',
  'REDIS_READ_ONLY',
  'REDIS_CLUSTER_DOWN',
  'REDIS_MASTER_DOWN',
  'REDIS_NO_REPLICAS',
  'REDIS_BUSY',
  'REDIS_SLOT_MOVES',
]);

/** Whether an error may pass without anybody's help. The same command may be sent again then. */
export const mayPass = (error: unknown): boolean => error instanceof TallymanError && PASSING.has(error.code);

/**
 * The refusal of a Redis as an error with a code and a remedy; undefined for any other error.
 *
 * The client may put other words before the one that decides.
 */
export function refusalOf(address: string, error: unknown): TallymanError | undefined {
  const text = error instanceof Error ? error.message : String(error);
  const word =
    /^(?:Ready check failed: |Too many Cluster redirections\. Last error: (?:\w*Error: )?|-)*([A-Z]+)\b/.exec(
      text,
    )?.[1];
  // What a script may not do is refused in other words than NOPERM.
  const isDenied = /The user executing the script can't /.test(text);
  // A client of a cluster that is sent around: the nodes do not agree yet, as after a failover.
  if (word === 'MOVED' && text.startsWith('Too many')) return undefined;
  const refusal = REFUSALS.find(([known]) => known === (isDenied ? 'NOPERM' : word));
  if (!refusal) return undefined;
  const [, code, problem, remedy] = refusal;
  const said = text.split('\n', 1)[0]!.replace(/\.$/, '');
  return new TallymanError(
    code,
    `Redis at ${address} ${problem}: ${said}. ${remedy}.`,
    { address },
    { cause: error },
  );
}
