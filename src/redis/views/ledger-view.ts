import { randomUUID } from 'node:crypto';
import type { Store } from '../store';

/** How far a view shows its ledger. It is stored beside the view and written in the same step. */
export interface ViewPosition {
  /** The offset to show next. */
  readonly next: number;
  /** The id of the ledger's topic; undefined if the cluster has no topic ids. */
  readonly topicId: string | undefined;
  /** Identifies the run that began the view. If the view is restarted, it gets another one. */
  readonly run: string;
  /** The leader epoch of the record before `next`; undefined if it is not known. */
  readonly epoch?: number | undefined;
}

export interface FoundPosition {
  /** As it is stored; empty if there is none. */
  readonly text: string;
  /** undefined if the ledger must be shown from its start. */
  readonly position: ViewPosition | undefined;
  /** The masters on which the whole view was found just now: see invoice-index.ts. */
  readonly foundWholeOn?: string;
}

export interface LedgerRecord {
  readonly key: string;
  /** null withdraws the key. */
  readonly value: string | null;
  readonly offset: number;
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
  /** How many records are shown in one step, which blocks Redis. */
  readonly pageRecords: number;
  find(): Promise<FoundPosition>;
  /**
   * Shows records and moves the position in one step.
   *
   * @param found as the position was read; if it holds none, the view is restarted
   * @returns undefined if the position moved meanwhile, and nothing was written
   */
  show(
    found: FoundPosition,
    next: ViewPosition,
    records: readonly LedgerRecord[],
  ): Promise<Shown | undefined>;
  /** Notes what `find` has compared, so that it is not compared again. */
  noteWhole?(found: FoundPosition): Promise<void>;
  /** Makes the view show its whole ledger again. */
  forget(): Promise<void>;
}

/** A few milliseconds of Redis. */
export const PAGE_RECORDS = 200;

export const beginning = (topicId: string | undefined): ViewPosition => ({
  next: 0,
  topicId,
  run: randomUUID(),
});

const NO_ID = '-';

export function positionText({ next, topicId, run, epoch }: ViewPosition): string {
  return `${next} ${topicId ?? NO_ID} ${run}${epoch === undefined ? '' : ` @${epoch}`}`;
}

/**
 * Older versions stored only the offset, or no epoch. Such a position is accepted, and gets the
 * rest with the next page.
 */
export function parsePosition(text: string): ViewPosition | undefined {
  const [next = '', topicId = NO_ID, run = '', epoch = ''] = text.split(' ');
  if (!/^\d+$/.test(next)) return undefined;
  return {
    ...{ next: Number(next), topicId: topicId === NO_ID ? undefined : topicId, run },
    ...(/^@\d+$/.test(epoch) && { epoch: Number(epoch.slice(1)) }),
  };
}

export function projectsView(store: Store): LedgerView {
  const { projects, projectsShown } = store.keys;
  return hashView(store, 'billing.projects', projects, projectsShown);
}

export function closesView(store: Store): LedgerView {
  const { closes, closesShown } = store.keys;
  return hashView(store, 'billing.closes', closes, closesShown);
}

/** The hash holds only the ledger's records, so its number of fields shows a loss. */
function hashView(store: Store, ledger: LedgerView['ledger'], view: string, position: string): LedgerView {
  return {
    ledger,
    pageRecords: PAGE_RECORDS,
    async find() {
      // In this order: what is shown in between moves the position, and does not look like a lost
      // field.
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
        before === undefined ? 'restart' : '',
        ...records.flatMap(({ key, value }) => (key === '' ? [] : [key, value ?? ''])),
      );
      return answer === 'SHOWN' ? { added: Number(added), text: String(stored) } : undefined;
    },
    forget: async () => void (await store.redis.del(position)),
  };
}
