import { createHash } from 'node:crypto';

/**
 * Where `billing.totals` holds one closed month of one shard. Redis keeps it in place of the
 * month's totals. A run is a piece of the ledger with consecutive projects, in the order of names.
 * Its digest is that of the records that were compared with Redis, so whatever is read later is
 * exactly what was deleted.
 */
export interface MonthIndex {
  readonly projects: number;
  /** Over all records, in the order of projects. It does not depend on offsets. */
  readonly digest: string;
  readonly runs: readonly Run[];
}

export interface Run {
  /** Its first project. It holds every project of the month up to the next run's first one. */
  readonly first: string;
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  readonly digest: string;
}

/** One record of the ledger, without its contents. */
export interface IndexedRecord {
  readonly project: string;
  readonly part: number;
  readonly offset: number;
  /** What `hashOf` returns for it. */
  readonly hash: string;
}

/** A read parses no more than this. The index takes about 50 bytes per run. */
const RUN_RECORDS = 100;

export const hashOf = (key: string, value: string): string => digestOf([key, value]);

export function digestOf(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text).update('\0');
  return hash.digest('base64url').slice(0, 22);
}

/**
 * Indexes the records of one month in one shard. If a close was repeated, the ledger contains a
 * record more than once, and the last one is in force.
 *
 * @param records in the order of the ledger
 */
export function buildMonthIndex(records: Iterable<IndexedRecord>): MonthIndex {
  const parts = new Map<string, IndexedRecord[]>();
  for (const record of records) {
    const known = parts.get(record.project) ?? [];
    known[record.part] = record;
    parts.set(record.project, known);
  }
  const runs: { first: string; from: number; to: number; hashes: string[] }[] = [];
  for (const project of [...parts.keys()].sort()) {
    const own = parts.get(project)!.filter(Boolean); // A part may be missing.
    const offsets = own.map(({ offset }) => offset);
    const [from, to] = [Math.min(...offsets), Math.max(...offsets)];
    const hashes = own.map(({ hash }) => hash);
    const last = runs.at(-1);
    const isNext = last !== undefined && from === last.to + 1 && to - from + 1 === own.length;
    if (isNext && last.hashes.length + own.length <= RUN_RECORDS) {
      last.to = to;
      last.hashes.push(...hashes);
    } else runs.push({ first: project, from, to, hashes });
  }
  return {
    projects: parts.size,
    digest: digestOf(runs.flatMap(({ hashes }) => hashes)),
    runs: runs.map(({ hashes, ...run }) => ({ ...run, digest: digestOf(hashes) })),
  };
}

/** The run that would hold a project, by its place; -1 if the project comes before all of them. */
export function runOf({ runs }: MonthIndex, project: string): number {
  let [low, high] = [0, runs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[middle]!.first <= project) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** As Redis stores it. A project's name contains no space. */
export function indexText({ projects, digest, runs }: MonthIndex): string {
  const lines = runs.map(({ first, from, to, digest: own }) => `${first} ${from} ${to} ${own}`);
  const head = `${projects} ${digest}`;
  return [`${head} ${digestOf([head, ...lines])}`, ...lines].join('\n');
}

/** undefined if it is not a whole index, because someone edited it. */
export function parseIndex(text: string): MonthIndex | undefined {
  const [head = '', ...lines] = text.split('\n');
  const [, own = '', projects, digest, whole] = /^((\d+) (\S+)) (\S+)$/.exec(head) ?? [];
  const runs = lines.map((line) => /^(\S+) (\d+) (\d+) (\S+)$/.exec(line));
  if (digest === undefined || runs.includes(null) || whole !== digestOf([own, ...lines])) return undefined;
  return {
    ...{ projects: Number(projects), digest },
    runs: runs.map((found) => {
      const [, first = '', from, to, digestOfRun = ''] = found!;
      return { first, from: Number(from), to: Number(to), digest: digestOfRun };
    }),
  };
}
