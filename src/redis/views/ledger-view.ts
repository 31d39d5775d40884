import { randomUUID } from 'node:crypto';
import type { Store } from '../store';

/** How far a view shows its ledger. Kept beside the view and written in the same step. */
export interface ViewPosition {
  /** The offset to show next. */
  readonly next: number;
  /** The id of the ledger's topic; undefined where the cluster has no ids. */
  readonly topicId: string | undefined;
  /** Names the run that began the view: a view that was begun anew meanwhile has another one. */
  readonly run: string;
}

/** A position as it was read. */
export interface FoundPosition {
  /** As it is stored; empty where there is none. */
  readonly text: string;
  /** undefined where the ledger must be shown from its start. */
  readonly position: ViewPosition | undefined;
}

export interface LedgerRecord {
  readonly key: string;
  /** null withdraws the key. */
  readonly value: string | null;
}

export interface Shown {
  /** How many keys were not shown before. */
  readonly added: number;
  /** The position as it is stored now. */
  readonly text: string;
}

/** Redis's view of one ledger, page by page. */
export interface LedgerView {
  /** The name of the ledger, without the installation's prefix. */
  readonly ledger: 'billing.projects' | 'billing.closes' | 'billing.invoices';
  find(): Promise<FoundPosition>;
  /**
   * Shows records and moves the position in one step.
   *
   * @param found as the position was read; where it holds none, the view is begun anew
   * @returns undefined if the position moved meanwhile, and nothing was written
   */
  show(
    found: FoundPosition,
    next: ViewPosition,
    records: readonly LedgerRecord[],
  ): Promise<Shown | undefined>;
  /** Has the whole ledger shown anew. */
  forget(): Promise<void>;
}

export const beginning = (topicId: string | undefined): ViewPosition => ({
  next: 0,
  topicId,
  run: randomUUID(),
});

const NO_ID = '-';

export function positionText({ next, topicId, run }: ViewPosition): string {
  return `${next} ${topicId ?? NO_ID} ${run}`;
}

/**
 * A position of a version that noted the offset alone is read as it is, and gets its id with the
 * next page.
 */
export function parsePosition(text: string): ViewPosition | undefined {
  const [next = '', topicId = NO_ID, run = ''] = text.split(' ');
  if (!/^\d+$/.test(next)) return undefined;
  return { next: Number(next), topicId: topicId === NO_ID ? undefined : topicId, run };
}

/** The plans and profiles of projects, by project. */
export function projectsView(store: Store): LedgerView {
  const { projects, projectsShown } = store.keys;
  return hashView(store, 'billing.projects', projects, projectsShown);
}

/** The records of closes, by month. */
export function closesView(store: Store): LedgerView {
  const { closes, closesShown } = store.keys;
  return hashView(store, 'billing.closes', closes, closesShown);
}

/** Nothing but the ledger's records is in the hash, so the number of its fields shows a loss. */
function hashView(store: Store, ledger: LedgerView['ledger'], view: string, position: string): LedgerView {
  return {
    ledger,
    async find() {
      // In this order: what is shown in between moves the position, and is never taken for a view
      // that lost a field.
      const [text, fields] = (await store.send([
        ['get', position],
        ['hlen', view],
      ])) as [string | null, number];
      const found = parsePosition(text ?? '');
      const isWhole = text?.split(' ').at(-1) === String(fields);
      return { text: text ?? '', position: isWhole ? found : undefined };
    },
    async show({ text, position: before }, next, records) {
      const [answer, added, stored] = await store.redis.showView(
        position,
        view,
        text,
        positionText(next),
        before === undefined ? 'anew' : '',
        ...records.flatMap(({ key, value }) => (key === '' ? [] : [key, value ?? ''])),
      );
      return answer === 'SHOWN' ? { added: Number(added), text: String(stored) } : undefined;
    },
    forget: async () => void (await store.redis.del(position)),
  };
}
