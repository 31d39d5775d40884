import { TallymanError } from '../lib/errors';

/**
 * The keys of one shard. All contain the hash tag `{n}`, so that they are in one slot of a Redis
 * Cluster, and one script may write them together.
 */
export interface ShardKeys {
  /** Hash: topic -> next offset to apply. */
  readonly cursor: string;
  /** Hash: frozen month -> JSON of topic -> next offset at the freeze. */
  readonly closed: string;
  /**
   * Hash: `begun` and `ended` -> how many writes of counted events were begun and ended: see
   * writes.lua. `epoch:<topic>` -> `<leader epoch>@<cursor>`: see epochs.lua.
   */
  readonly writes: string;
  /** Hash: run of a close -> its month. Only exists during a close: see seal-freeze.lua. */
  readonly seals: string;
  /** Hash: closed month that has left Redis -> where the ledger holds it: see month-index.ts. */
  readonly left: string;
  /** String: exists while a rebuild has not finished this shard. */
  readonly rebuilding: string;
  /**
   * Followed by `<month>:<project>`. Hash: meter, or `<month of the late usage>@<meter>` -> integer
   * in base units.
   */
  readonly totalsStem: string;
  /**
   * Followed by `<month>:<project>`. Hash: `<day of the usage>/<meter>` -> integer in base units.
   */
  readonly dailyStem: string;
  /** Followed by `<month>`. Set of the projects with totals in the month. */
  readonly projectsStem: string;
  /**
   * Followed by `<period>`. Hash: topic -> number of ids. Or followed by
   * `<period>:<topic>:<segment>`. String of fingerprints.
   */
  readonly idsStem: string;
}

/** Every key of an installation. Keys are named only here. */
export interface Keys {
  shard(shard: number): ShardKeys;
  totals(shard: number, month: string, project: string): string;
  daily(shard: number, month: string, project: string): string;
  projectsOfMonth(shard: number, month: string): string;
  ids(shard: number, period: string): string;
  idSegment(shard: number, period: string, topic: string, segment: number): string;
  /**
   * Whether a key belongs to this installation, and not to one whose prefix is `usage` or
   * `billing`.
   */
  owns(key: string): boolean;
  /** Patterns for SCAN. They match all keys of this installation, and may match others. */
  readonly patterns: readonly string[];
  /** String: the number of shards. */
  readonly shardCount: string;
  /** Hash: topic -> the id that Kafka gave it, when its cursors were created. */
  readonly topicIds: string;
  /** String: exists while a rebuild is not finished. */
  readonly rebuilding: string;
  /** Set: sids of the LiveKit rooms with sessions that have not ended. */
  readonly openRooms: string;
  /** Hash: participant's sid -> JSON of such a session. */
  openSessions(roomSid: string): string;
  /** Hash: id of the usage -> JSON of a LiveKit egress or ingress whose end has not come. */
  readonly openStreams: string;
  /** Hash: address of a LiveKit node's metrics -> what was counted of its transfer, as JSON. */
  readonly transferCounts: string;
  /**
   * String: a LiveKit session, egress or ingress that has ended, kept for a day, so that a late
   * start does not open it again.
   */
  endedSession(id: string): string;
  /** String: identifies the last rebuild that finished. */
  readonly generation: string;
  /** Hash: run id of a Redis server -> how many keys it had evicted when a rebuild began on it. */
  readonly evicted: string;
  /** Hash: project -> JSON of its profile and plan history. */
  readonly projects: string;
  /** Hash: month -> JSON of its close. */
  readonly closes: string;
  /** Hash: month -> JSON of the result of its last verification. */
  readonly verified: string;
  /**
   * String: how far `projects` shows its ledger. It is in the slot of `projects`, so that both are
   * lost together.
   */
  readonly projectsShown: string;
  /** String: how far `closes` shows its ledger. It is in the slot of `closes`. */
  readonly closesShown: string;
  /** Hash: ledger without a view -> how far it was seen: see ledger-ends.ts. */
  readonly ledgerEnds: string;
  /** String: how far the invoices show their ledger. It is not used on a cluster. */
  readonly invoicesShown: string;
  /** Hashes, on a cluster only: which invoices Redis shows. See invoice-index.ts. */
  readonly invoiceIndexes: readonly string[];
  /** String: the masters of a cluster whose invoices were compared with their index. */
  readonly invoicesCompared: string;
  /** String: since when Redis knows which sign-in links were used. See redeem-link.lua. */
  readonly linksSince: string;
  /** String: exists while a sign-in link that was used could be used again. */
  usedLink(token: string): string;
  /** String: the token of a session, whose cookie has this hash. */
  session(cookieHash: string): string;
  /** Hash: month -> the project's invoice as JSON; `<month>-CN` -> its credit note. */
  invoices(project: string): string;
  /** Set of the projects with an invoice or a credit note in the month. */
  invoiced(month: string): string;
}

/** What may follow the prefix in a key of this installation. */
const OWN_KEY =
  /^(usage:(\{\d+\}:|(shards|topics|rebuilding|generation|evicted)$)|billing:((projects|closes|verified|invoices-shown|ledger-ends)$|shown:\{|invoices:|invoiced:))/;

/** Enough to spread them over the masters, and few enough to read their positions each second. */
const INVOICE_INDEXES = 64;

/** Digits of a segment's number in a key, so that keys sort in the order of segments. */
const SEGMENT_DIGITS = 8;

/**
 * @param prefix of the installation, `''` for none
 * @throws TallymanError `BAD_PREFIX` for a prefix with braces, which would replace the hash tag of
 *   the shard
 */
export function createKeys(prefix: string): Keys {
  if (/[{}]/.test(prefix))
    throw new TallymanError('BAD_PREFIX', `The prefix "${prefix}" must not contain braces.`, { prefix });
  const root = prefix === '' ? '' : `${prefix}:`;
  /** Braces around the whole name of another key put this one into that key's slot. */
  const shownKey = (view: string): string => `${root}billing:shown:{${view}}`;
  const shards: ShardKeys[] = [];
  const shard = (number: number): ShardKeys => (shards[number] ??= shardKeys(`${root}usage:{${number}}:`));
  return {
    shard,
    totals: (number, month, project) => `${shard(number).totalsStem}${month}:${project}`,
    daily: (number, month, project) => `${shard(number).dailyStem}${month}:${project}`,
    projectsOfMonth: (number, month) => shard(number).projectsStem + month,
    ids: (number, period) => shard(number).idsStem + period,
    idSegment: (number, period, topic, segment) =>
      `${shard(number).idsStem}${period}:${topic}:${String(segment).padStart(SEGMENT_DIGITS, '0')}`,
    owns: (key) => key.startsWith(root) && OWN_KEY.test(key.slice(root.length)),
    patterns: [`${root}usage:*`, `${root}billing:*`],
    shardCount: `${root}usage:shards`,
    topicIds: `${root}usage:topics`,
    openRooms: `${root}livekit:open`,
    openSessions: (roomSid) => `${root}livekit:open:${roomSid}`,
    openStreams: `${root}livekit:open-streams`,
    transferCounts: `${root}livekit:transfer`,
    endedSession: (id) => `${root}livekit:ended:${id}`,
    rebuilding: `${root}usage:rebuilding`,
    generation: `${root}usage:generation`,
    evicted: `${root}usage:evicted`,
    projects: `${root}billing:projects`,
    projectsShown: shownKey(`${root}billing:projects`),
    closes: `${root}billing:closes`,
    closesShown: shownKey(`${root}billing:closes`),
    verified: `${root}billing:verified`,
    ledgerEnds: `${root}billing:ledger-ends`,
    invoicesShown: `${root}billing:invoices-shown`,
    invoiceIndexes: Array.from({ length: INVOICE_INDEXES }, (_, i) => shownKey(`${root}invoices-${i}`)),
    invoicesCompared: shownKey(`${root}invoices`),
    linksSince: `${root}sign-in:{links}:since`,
    usedLink: (token) => `${root}sign-in:{links}:used:${token}`,
    session: (cookieHash) => `${root}sign-in:session:${cookieHash}`,
    invoices: (project) => `${root}billing:invoices:${project}`,
    invoiced: (month) => `${root}billing:invoiced:${month}`,
  };
}

function shardKeys(stem: string): ShardKeys {
  return {
    cursor: `${stem}cursor`,
    closed: `${stem}closed`,
    seals: `${stem}seals`,
    left: `${stem}left`,
    rebuilding: `${stem}rebuilding`,
    writes: `${stem}writes`,
    totalsStem: `${stem}totals:`,
    dailyStem: `${stem}daily:`,
    projectsStem: `${stem}projects:`,
    idsStem: `${stem}ids:`,
  };
}

/** The keys that may contain something of a project in a month, for `redis-cli`. */
export function keysOfProject(keys: Keys, shardCount: number, project: string, month: string): string[] {
  const found: string[] = [];
  for (let shard = 0; shard < shardCount; shard += 1) {
    found.push(keys.totals(shard, month, project), keys.daily(shard, month, project));
  }
  found.push(keys.projects, keys.invoices(project), keys.invoiced(month));
  return found;
}
