import type { FrozenPart } from '../../../schemas/types';
import type * as Ledger from '../../kafka/ledger/ledger';
import type { KafkaClient } from '../../kafka/client';
import type * as Topics from '../../kafka/topics/topics';
import { TallymanError } from '../../lib/errors';
import { eachPageOfMembers } from '../scan';
import type { Command, Store } from '../store';
import { digestOf, hashOf, parseIndex, runOf, type MonthIndex } from './month-index';

/** A project's usage of a month. */
export interface ProjectUsage {
  /** Meter, or `<month>@<meter>` for late usage of that month -> integer in base units. */
  readonly totals: ReadonlyMap<string, bigint>;
  /**
   * `<day>/<meter>` -> integer in base units. Late usage is under its own day, which is in another
   * month. So all days of a meter add up to its totals, including late ones.
   */
  readonly daily: ReadonlyMap<string, bigint>;
}

/** What the ledger holds of one project in one shard of a month. */
interface LedgerMonth extends ProjectUsage {
  /** Its records as they were published, in the order of parts. */
  readonly values: readonly string[];
}

type LedgerMonths = ReadonlyMap<string, LedgerMonth>;

/** A `LedgerMonth` while it is read. */
interface Held extends LedgerMonth {
  readonly totals: Map<string, bigint>;
  readonly daily: Map<string, bigint>;
  readonly values: string[];
}

const LEDGER = 'billing.totals';

/**
 * The field of `usage:{n}:writes` that holds the digest of a month that has left. An index that is
 * lost would make the month look as if nobody had used anything.
 */
export const leftField = (month: string): string => `left:${month}`;

/**
 * Asks whether a month has left a shard. `hasLeft` reads the two answers. A reader of Redis has the
 * right to these commands.
 */
export function hasLeftCommands(store: Store, shard: number, month: string): [Command, Command] {
  const { left, writes } = store.keys.shard(shard);
  return [
    ['hget', writes, leftField(month)],
    ['hkeys', left],
  ];
}

/** One of the two is enough. If only the index is lost, whoever reads it reports that. */
export const hasLeft = (month: string, [noted, months]: readonly unknown[]): boolean =>
  noted !== null || (months as string[]).includes(month);

/**
 * Where the ledger holds a month that has left a shard; undefined if the month is in Redis.
 *
 * @throws TallymanError `DOCUMENT_DAMAGED`, `LEDGER_MOVED` if Redis has lost it
 */
export async function readMonthIndex(
  store: Store,
  shard: number,
  month: string,
): Promise<MonthIndex | undefined> {
  const { left: key, writes } = store.keys.shard(shard);
  // Both are written in one step, so an index that is missing after its note was read is lost.
  const [noted, text] = (await store.send([
    ['hget', writes, leftField(month)],
    ['hget', key, month],
  ])) as [string | null, string | null];
  if (text === null && noted === null) return undefined;
  if (text === null) throw lost(store, shard, month);
  const index = parseIndex(text);
  if (index === undefined || (noted !== null && noted !== index.digest))
    throw new TallymanError(
      'DOCUMENT_DAMAGED',
      `${month} in ${key} does not say where ${LEDGER} holds the month. Run \`tallyman rebuild\`, which searches for it.`,
      { key, month },
    );
  return index;
}

/** The months that have left Redis, or begun to, in order. */
export async function monthsThatLeft(store: Store, shardCount: number): Promise<string[]> {
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const months = await store.send(shards.map((shard) => ['hkeys', store.keys.shard(shard).left]));
  const notes = await store.send(shards.map((shard) => ['hkeys', store.keys.shard(shard).writes]));
  const prefix = leftField('');
  const noted = (notes as string[][]).flat().filter((field) => field.startsWith(prefix));
  const all = [...(months as string[][]).flat(), ...noted.map((field) => field.slice(prefix.length))];
  return [...new Set(all)].sort();
}

/**
 * What a shard held of some projects in a month that has left Redis. A project without totals is
 * not in the result.
 *
 * @throws TallymanError `LEDGER_MOVED`, `LEDGER_DAMAGED`
 */
export async function readLeftMonth(
  store: Store,
  shard: number,
  month: string,
  projects: readonly string[],
): Promise<LedgerMonths> {
  const found = new Map<string, LedgerMonth>();
  if (projects.length === 0) return found;
  const index = await readMonthIndex(store, shard, month);
  if (index === undefined) throw lost(store, shard, month);
  const byRun = new Map<number, string[]>();
  for (const project of projects) {
    const run = runOf(index, project);
    if (run >= 0) byRun.set(run, [...(byRun.get(run) ?? []), project]);
  }
  const open = openOnce(store);
  for (const [run, sought] of byRun) {
    const held = await readRun(store, shard, month, index, run, open);
    for (const project of sought) {
      const usage = held.get(project);
      if (usage !== undefined) found.set(project, usage);
    }
  }
  return found;
}

/** The projects of a month in a shard, each once, unordered, page by page, wherever they are. */
export async function* eachPageOfListed(
  store: Store,
  shard: number,
  month: string,
): AsyncGenerator<string[], void, undefined> {
  const seen = new Set<string>();
  yield* eachPageOfMembers(store, store.keys.projectsOfMonth(shard, month), seen);
  // Asked last: the set loses its members when the month leaves, even while it is read.
  const index = await readMonthIndex(store, shard, month);
  if (index === undefined) return;
  for await (const months of eachRun(store, shard, month, index))
    yield [...months.keys()].filter((project) => !seen.has(project));
}

/** All of a month in a shard, as an index of the ledger names it. */
export async function* eachRun(
  store: Store,
  shard: number,
  month: string,
  index: MonthIndex,
): AsyncGenerator<LedgerMonths, void, undefined> {
  const open = openOnce(store);
  for (let run = 0; run < index.runs.length; run += 1)
    yield await readRun(store, shard, month, index, run, open);
}

interface OpenLedger {
  readonly kafka: KafkaClient;
  readonly topic: string;
  readonly range: Topics.LogRange | undefined;
  readonly readLedgerRange: typeof Ledger.readLedgerRange;
}

/** Opens the ledger, and asks what it spans, when the first run is read from it. */
function openOnce({ ledgers }: Store): () => Promise<OpenLedger> {
  let opened: Promise<OpenLedger> | undefined;
  const open = async (): Promise<OpenLedger> => {
    if (ledgers === undefined) throw new Error('a month has left Redis, and no Kafka was given');
    // Loaded here, so that a command that reads Redis alone starts without Kafka's client.
    /* eslint-disable @typescript-eslint/no-require-imports -- `import()` would need other paths in tests */
    const { readLedgerRange } = require('../../kafka/ledger/ledger') as typeof Ledger;
    const { logRanges, topicName } = require('../../kafka/topics/topics') as typeof Topics;
    /* eslint-enable @typescript-eslint/no-require-imports */
    const kafka = ledgers.kafka();
    const topic = topicName(ledgers.prefix, LEDGER);
    return { kafka, topic, range: (await logRanges(kafka, [topic])).get(topic)?.[0], readLedgerRange };
  };
  return () => (opened ??= open());
}

/** Pages read names first, then totals. */
const RUNS_KEPT = 16;
const kept = new WeakMap<Store, Map<string, LedgerMonths>>();

async function readRun(
  store: Store,
  shard: number,
  month: string,
  { runs }: MonthIndex,
  at: number,
  open: () => Promise<OpenLedger>,
): Promise<LedgerMonths> {
  const { first, from, to, digest } = runs[at]!;
  const runsOfStore = kept.get(store) ?? new Map<string, LedgerMonths>();
  kept.set(store, runsOfStore);
  const name = `${month} ${shard} ${from} ${digest}`;
  const before = runsOfStore.get(name);
  if (before !== undefined) return before;
  const { kafka, topic, range, readLedgerRange } = await open();
  if (range === undefined || from < range.start || to >= range.end)
    throw moved(store, shard, month, `it spans ${range?.start} to ${range?.end}`);
  const next = runs[at + 1]?.first;
  const last = new Map<string, { value: string; document: FrozenPart }>();
  for await (const page of readLedgerRange(kafka, LEDGER, { topic, partition: 0, from, to: to + 1 })) {
    for (const { key, value, document } of page) {
      if (!document || document.month !== month || document.shard !== shard) continue;
      const { project } = document;
      if (project < first || (next !== undefined && project >= next)) continue;
      last.set(key, { value: value!, document });
    }
  }
  const records = [...last].sort(([, { document: a }], [, { document: b }]) =>
    a.project === b.project ? a.part - b.part : a.project < b.project ? -1 : 1,
  );
  if (digestOf(records.map(([key, { value }]) => hashOf(key, value))) !== digest)
    throw moved(store, shard, month, `something else is at ${from} to ${to}`);
  const months = new Map<string, Held>();
  for (const [, { value, document }] of records) {
    const { project, totals, daily } = document;
    const own: Held = months.get(project) ?? { totals: new Map(), daily: new Map(), values: [] };
    months.set(project, own);
    for (const [field, quantity] of totals) own.totals.set(field, BigInt(quantity));
    for (const [field, quantity] of daily) own.daily.set(field, BigInt(quantity));
    own.values.push(value);
  }
  runsOfStore.set(name, months);
  if (runsOfStore.size > RUNS_KEPT) runsOfStore.delete(runsOfStore.keys().next().value!);
  return months;
}

function lost(store: Store, shard: number, month: string): TallymanError {
  const topic = ledgerOf(store);
  return new TallymanError(
    'LEDGER_MOVED',
    `Redis has lost where ${topic} holds ${month} of shard ${shard}, which has left Redis. Run \`tallyman rebuild\`, ` +
      'which searches for it.',
    { topic, shard, month },
  );
}

function ledgerOf({ ledgers }: Store): string {
  const { prefix = '' } = ledgers ?? {};
  return prefix === '' ? LEDGER : `${prefix}.${LEDGER}`;
}

function moved(store: Store, shard: number, month: string, found: string): TallymanError {
  const topic = ledgerOf(store);
  return new TallymanError(
    'LEDGER_MOVED',
    `${month} of shard ${shard} is not where ${topic} held it when it left Redis: ${found}. If the topic was restored, ` +
      'run `tallyman rebuild`, which searches for it. Otherwise restore the topic from a copy.',
    { topic, shard, month },
  );
}
