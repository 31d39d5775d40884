import { TallymanError } from '../lib/errors';

/**
 * The keys of one shard. All hold the hash tag `{n}`: one slot of a Redis Cluster, so that one
 * script may write them together.
 */
export interface ShardKeys {
  /** Hash: topic -> next offset to apply. */
  readonly cursor: string;
  /** Hash: frozen month -> JSON of topic -> next offset at the freeze. */
  readonly closed: string;
  /**
   * Hash: `begun`, `ended` -> how many writes of counted events were begun, and ended: see
   * writes.lua.
   */
  readonly writes: string;
  /** Hash: run of a close -> its month. Only while a close runs: see seal-freeze.lua. */
  readonly seals: string;
  /** String: there while a rebuild has not finished this shard. */
  readonly rebuilding: string;
  /**
   * To be completed by `<month>:<project>`. Hash: meter, or `<month of a late usage>@<meter>` ->
   * integer in base units.
   */
  readonly totalsStem: string;
  /**
   * To be completed by `<month>:<project>`. Hash: `<day of the usage>/<meter>` -> integer in base
   * units.
   */
  readonly dailyStem: string;
  /** To be completed by `<month>`. Set of the projects with totals in the month. */
  readonly projectsStem: string;
  /**
   * To be completed by `<period>`: hash: topic -> how many; or by `<period>:<topic>:<segment>`:
   * string of fingerprints.
   */
  readonly idsStem: string;
}

/** Every key of an installation. This is the only place that names keys. */
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
  /** What finds all keys of this installation, and maybe others: for SCAN. */
  readonly patterns: readonly string[];
  /** String: how many shards there are. */
  readonly shardCount: string;
  /** Hash: topic -> the id that Kafka gave it, when its cursors were made. */
  readonly topicIds: string;
  /** String: there while a rebuild is not finished. */
  readonly rebuilding: string;
  /** Set: sids of the LiveKit rooms with sessions whose end has not come. */
  readonly openRooms: string;
  /** Hash: participant's sid -> JSON of such a session. */
  openSessions(roomSid: string): string;
  /** Hash: address of a LiveKit node's metrics -> what was counted of its transfer, as JSON. */
  readonly transferCounts: string;
  /**
   * String, for a day: a LiveKit session that has ended, so that a late start does not open it
   * again.
   */
  endedSession(sid: string): string;
  /** String: names the last rebuild that came to its end. */
  readonly generation: string;
  /** Hash: run id of a Redis server -> how many keys it had evicted when a rebuild began on it. */
  readonly evicted: string;
  /** Hash: project -> JSON of its profile and plan history. */
  readonly projects: string;
  /** Hash: month -> JSON of its close. */
  readonly closes: string;
  /** Hash: month -> JSON of what its last verification came to. */
  readonly verified: string;
  /**
   * String: how far `projects` shows its ledger. In the slot of `projects`, so that both are lost
   * together.
   */
  readonly projectsShown: string;
  /** String: how far `closes` shows its ledger. In the slot of `closes`. */
  readonly closesShown: string;
  /** String: how far the invoices show their ledger. Not on a cluster. */
  readonly invoicesShown: string;
  /** Hash: month -> the project's invoice as JSON; `<month>-CN` -> its credit note. */
  invoices(project: string): string;
  /** Set of the projects with an invoice or a credit note in the month. */
  invoiced(month: string): string;
}

/** What follows the prefix in a key of ours. */
const OWN_KEY =
  /^(usage:(\{\d+\}:|(shards|topics|rebuilding|generation|evicted)$)|billing:((projects|closes|verified|invoices-shown)$|shown:\{|invoices:|invoiced:))/;

/** Digits of a segment's number in a key, so that keys sort as segments do. */
const SEGMENT_DIGITS = 8;

/**
 * @param prefix of the installation, `''` for none
 * @throws TallymanError `BAD_PREFIX` for a prefix with braces: its hash tag would replace the
 *   shard's
 */
export function createKeys(prefix: string): Keys {
  if (/[{}]/.test(prefix))
    throw new TallymanError('BAD_PREFIX', `The prefix "${prefix}" must not hold braces.`, { prefix });
  const root = prefix === '' ? '' : `${prefix}:`;
  /** Braces around the whole name of another key put this one into the other's slot. */
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
    transferCounts: `${root}livekit:transfer`,
    endedSession: (sid) => `${root}livekit:ended:${sid}`,
    rebuilding: `${root}usage:rebuilding`,
    generation: `${root}usage:generation`,
    evicted: `${root}usage:evicted`,
    projects: `${root}billing:projects`,
    projectsShown: shownKey(`${root}billing:projects`),
    closes: `${root}billing:closes`,
    closesShown: shownKey(`${root}billing:closes`),
    verified: `${root}billing:verified`,
    invoicesShown: `${root}billing:invoices-shown`,
    invoices: (project) => `${root}billing:invoices:${project}`,
    invoiced: (month) => `${root}billing:invoiced:${month}`,
  };
}

function shardKeys(stem: string): ShardKeys {
  return {
    cursor: `${stem}cursor`,
    closed: `${stem}closed`,
    seals: `${stem}seals`,
    rebuilding: `${stem}rebuilding`,
    writes: `${stem}writes`,
    totalsStem: `${stem}totals:`,
    dailyStem: `${stem}daily:`,
    projectsStem: `${stem}projects:`,
    idsStem: `${stem}ids:`,
  };
}

/** The keys that may hold something of a project in a month, for a person with `redis-cli`. */
export function keysOfProject(keys: Keys, shardCount: number, project: string, month: string): string[] {
  const found: string[] = [];
  for (let shard = 0; shard < shardCount; shard += 1) {
    found.push(keys.totals(shard, month, project), keys.daily(shard, month, project));
  }
  found.push(keys.projects, keys.invoices(project), keys.invoiced(month));
  return found;
}
