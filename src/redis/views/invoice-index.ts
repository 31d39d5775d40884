import { TallymanError } from '../../lib/errors';
import { monthOf } from '../../rating/month';
import { infoOf } from '../checks/append-only-file';
import { nodesOf } from '../nodes';
import type { Command, Store } from '../store';
import { parsePosition, positionText, type FoundPosition, type LedgerView } from './ledger-view';
import { shownOf, writeInvoices, type ShownInvoice } from './write-invoices';

interface IndexedInvoice extends ShownInvoice {
  readonly offset: number;
}

/** Nothing waits for a page, because each command of it goes to its own node. */
const PAGE = 1_000;

/** The field of an index that holds its position. No project has an empty name. */
const POSITION = '';

/**
 * The view of the invoice ledger on a cluster. Invoices are in many slots, whose nodes may each
 * lose their tail, so no position proves that they are all there. An index lists which documents
 * Redis shows, with their offsets. Documents are written first, then the index together with its
 * position. So whatever the index lists was there once. It is compared with what is there now: all
 * of it after a master was replaced or restarted, and that of each project before the project gets
 * a number.
 */
export function invoiceIndexView(store: Store): LedgerView {
  const { invoiceIndexes: indexes, invoicesCompared: compared } = store.keys;
  const find = async (): Promise<FoundPosition> => {
    const found = await store.send(indexes.map((index) => ['hget', index, POSITION]));
    const texts = (found as (string | null)[]).map((text) => text ?? '');
    const positions = texts.flatMap((text) => parsePosition(text) ?? []);
    const text = texts.join('\n');
    const [first] = positions;
    if (first === undefined || positions.length < indexes.length) return { text, position: undefined };
    if (positions.some(({ run }) => run !== first.run)) return { text, position: undefined };
    const lowest = positions.reduce((a, b) => (b.next < a.next ? b : a));
    const [masters, known] = await Promise.all([mastersOf(store), store.redis.get(compared)]);
    if (known === masters) return { text, position: lowest };
    const lost = await firstLost(store);
    const next = Math.min(lost ?? lowest.next, lowest.next);
    return { text, position: { ...lowest, next }, ...(lost === undefined && { foundWholeOn: masters }) };
  };
  return {
    ledger: 'billing.invoices',
    pageRecords: PAGE,
    find,
    async show({ text, position: before }, next, records) {
      const documents = new Map<string, IndexedInvoice>(); // Of several with one key, the last.
      for (const record of records)
        for (const one of shownOf(record)) documents.set(record.key, { ...one, offset: record.offset });
      const added = await writeInvoices(store, [...documents.values()]);
      const byIndex = new Map(indexes.map((index): [string, string[]] => [index, []]));
      for (const { project, entry, json, offset } of documents.values())
        byIndex.get(indexOf(store, project))!.push(project, entry, json === null ? '' : String(offset));
      const nextText = positionText(next);
      const texts = text.split('\n');
      const answers = await Promise.all(
        indexes.map(async (index, i) => {
          const found = texts[i] ?? '';
          const isBeyond = before !== undefined && parsePosition(found)!.next > next.next;
          if (isBeyond || found === nextText) return found;
          const restart = before === undefined ? 'restart' : '';
          const answer = await store.redis.showIndex(index, found, nextText, restart, ...byIndex.get(index)!);
          return answer[0] === 'SHOWN' ? nextText : undefined;
        }),
      );
      return answers.includes(undefined) ? undefined : { added, text: answers.join('\n') };
    },
    async noteWhole({ foundWholeOn }) {
      if (foundWholeOn !== undefined) await store.redis.set(compared, foundWholeOn);
    },
    forget: async () => void (await store.send(indexes.map((index) => ['del', index]))),
  };
}

/** FNV-1a. It must never change, or an index would lack what another one lists. */
function indexOf({ keys: { invoiceIndexes } }: Store, project: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(project)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return invoiceIndexes[hash % invoiceIndexes.length]!;
}

/**
 * Identifies what the masters hold. Each gets another id when it starts, and when it takes over
 * from one of whose tail it may lack a part.
 */
async function mastersOf(store: Store): Promise<string> {
  const infos = await Promise.all(nodesOf(store).map((node) => node.info('replication')));
  return infos
    .map((info) => infoOf(info)['master_replid'] ?? '')
    .sort()
    .join(' ');
}

/** The lowest offset of a document that the indexes list and Redis does not show. */
async function firstLost(store: Store): Promise<number | undefined> {
  let lowest: number | undefined;
  for (const index of store.keys.invoiceIndexes) {
    for (let position = '0', isFirst = true; isFirst || position !== '0'; isFirst = false) {
      const [next, fields] = await store.redis.hscan(index, position, 'COUNT', PAGE);
      position = next;
      const listed = new Map<string, Listed[]>();
      for (let i = 0; i + 1 < fields.length; i += 2)
        if (fields[i] !== POSITION) listed.set(fields[i]!, parseListed(fields[i + 1]!));
      const lost = await Promise.all([lostOf(store, listed), unlistedOf(store, listed)]);
      for (const { offset } of lost.flat()) lowest = Math.min(lowest ?? offset, offset);
    }
  }
  return lowest;
}

interface Listed {
  readonly entry: string;
  readonly offset: number;
}

function parseListed(text: string): Listed[] {
  return text.split(' ').map((one) => {
    const [entry = '', offset] = one.split('@');
    return { entry, offset: Number(offset) };
  });
}

/** What these projects lack of the documents that are listed for them. */
async function lostOf(store: Store, listed: ReadonlyMap<string, readonly Listed[]>): Promise<Listed[]> {
  const keys = [...listed.keys()].map((project) => store.keys.invoices(project));
  const found = (await store.send(keys.map((key) => ['hkeys', key]))) as string[][];
  return [...listed.values()].flatMap((all, i) => all.filter(({ entry }) => !found[i]!.includes(entry)));
}

/** The documents that are listed for these projects, while their month's set lacks the project. */
async function unlistedOf(store: Store, listed: ReadonlyMap<string, readonly Listed[]>): Promise<Listed[]> {
  const ofSet = new Map<string, [project: string, document: Listed][]>();
  for (const [project, documents] of listed) {
    for (const document of documents) {
      const set = store.keys.invoiced(monthOf(document.entry));
      const members = ofSet.get(set);
      if (members === undefined) ofSet.set(set, [[project, document]]);
      else members.push([project, document]);
    }
  }
  const answers = (await store.send(
    [...ofSet].map(([set, members]): Command => ['smismember', set, ...members.map(([project]) => project)]),
  )) as number[][];
  return [...ofSet.values()].flatMap((members, i) =>
    members.filter((_, j) => answers[i]![j] === 0).map(([, document]) => document),
  );
}

/**
 * The entries that the indexes list for these projects, in their order. They are read before the
 * documents, so that none is missing there because it was not written yet.
 */
export async function readIndexed(store: Store, projects: readonly string[]): Promise<string[][]> {
  const byIndex = new Map<string, number[]>();
  for (const [at, project] of projects.entries()) {
    const index = indexOf(store, project);
    const members = byIndex.get(index);
    if (members === undefined) byIndex.set(index, [at]);
    else members.push(at);
  }
  const groups = [...byIndex];
  const answers = (await store.send(
    groups.map(([index, members]): Command => ['hmget', index, ...members.map((at) => projects[at]!)]),
  )) as (string | null)[][];
  const entries = projects.map((): string[] => []);
  for (const [i, [, members]] of groups.entries())
    for (const [j, at] of members.entries())
      entries[at] = parseListed(answers[i]![j] ?? '').flatMap(({ entry }) => entry || []);
  return entries;
}

/**
 * If a document is lost, the next command that follows the ledger compares all of them, and shows
 * it again.
 *
 * @throws TallymanError `REDIS_WENT_BACK` if a listed document is not among those that were found
 */
export async function checkNoneLost(
  store: Store,
  projects: readonly string[],
  listed: readonly (readonly string[])[],
  found: readonly (readonly string[])[],
): Promise<void> {
  for (const [i, project] of projects.entries()) {
    const lost = listed[i]!.find((entry) => !found[i]!.includes(entry));
    if (lost === undefined) continue;
    await store.redis.del(store.keys.invoicesCompared);
    throw new TallymanError(
      'REDIS_WENT_BACK',
      `Redis has lost ${project}-${lost}, which is in the ledger of invoices. Run the command again, which restores it first.`,
      { project, entry: lost },
    );
  }
}
