import { TallymanError } from '../../lib/errors';
import { createProgress } from '../../lib/progress';
import type { KafkaClient } from '../../kafka/client';
import { readLedgerRange } from '../../kafka/ledger/ledger';
import { logRanges, topicName, type LogRange } from '../../kafka/topics/topics';
import { invoicesView } from '../../redis/views/invoices';
import {
  beginning,
  closesView,
  projectsView,
  type FoundPosition,
  type LedgerRecord,
  type LedgerView,
  type ViewPosition,
} from '../../redis/views/ledger-view';
import type { Store } from '../../redis/store';

/** Brings one view in Redis up to the end of its ledger. */
export interface LedgerFollower {
  /**
   * Shows everything in the ledger, in its order: if a key is in it twice, the last record is
   * shown.
   *
   * @returns how many keys Redis did not show before
   * @throws TallymanError `TOPIC_REPLACED`, `CURSOR_PAST_LOG_END` or `EVENTS_GONE` if the ledger is
   *   not the one that Redis has shown; `LEDGER_DAMAGED`
   */
  catchUp(): Promise<number>;
  /**
   * Whether everything that `catchUp` found is still there. A Redis that loses its tail loses view
   * and position together. If this is true, what was read in between was right.
   */
  holds(): Promise<boolean>;
  /** Makes the next `catchUp` search for everything that Redis lacks. */
  doubt(): Promise<void>;
  /** Why `catchUp` would refuse this ledger. Shows nothing. */
  refusal(): Promise<LedgerRefusal | undefined>;
}

/** Why a ledger is not the one that Redis has shown. */
export interface LedgerRefusal {
  readonly code: 'TOPIC_REPLACED' | 'CURSOR_PAST_LOG_END' | 'EVENTS_GONE';
  readonly topic: string;
  readonly problem: string;
}

/** What to do about each refusal. */
export const LEDGER_REMEDY =
  'Restore the topic from a copy. If what it holds now is right, stop the consumers, then run `tallyman rebuild --empty`.';

/** The views of an installation. They must be caught up before anything is decided by them. */
export interface LedgerFollowers {
  readonly projects: LedgerFollower;
  readonly closes: LedgerFollower;
  readonly invoices: LedgerFollower;
}

export function followLedgers(kafka: KafkaClient, store: Store, prefix: string): LedgerFollowers {
  return {
    projects: followLedger(kafka, projectsView(store), prefix),
    closes: followLedger(kafka, closesView(store), prefix),
    invoices: followLedger(kafka, invoicesView(store), prefix),
  };
}

export async function catchUpLedgers(kafka: KafkaClient, store: Store, prefix: string): Promise<void> {
  const { projects, closes, invoices } = followLedgers(kafka, store, prefix);
  await Promise.all([projects.catchUp(), closes.catchUp(), invoices.catchUp()]);
}

/**
 * Follows a ledger. It is the only writer of the view, and stores its position beside it. So Redis
 * shows the ledger up to that position, whatever it has lost. Several processes may follow at once.
 */
export function followLedger(kafka: KafkaClient, view: LedgerView, prefix: string): LedgerFollower {
  const topic = topicName(prefix, view.ledger);
  let reached: ViewPosition | undefined;

  /** @returns false if another process moved the position */
  async function showUpTo(
    { start, end }: LogRange,
    found: FoundPosition,
    begun: ViewPosition,
    onAdded: (added: number) => void,
  ): Promise<boolean> {
    const from = Math.max(start, begun.next);
    let at = found;
    const show = async (next: number, records: readonly LedgerRecord[]): Promise<boolean> => {
      const position = { ...begun, next };
      const shown = await view.show(at, position, records);
      if (shown === undefined) return false;
      at = { text: shown.text, position };
      onAdded(shown.added);
      return true;
    };
    const progress = createProgress(view.ledger);
    const range = { topic, partition: 0, from, to: end };
    for await (const records of readLedgerRange(kafka, view.ledger, range)) {
      for (let first = 0; first < records.length; first += view.pageRecords) {
        const page = records.slice(first, first + view.pageRecords);
        if (!(await show(page.at(-1)!.offset + 1, page))) return false;
        progress.update(page.at(-1)!.offset - from, end - from);
      }
    }
    progress.end();
    // The log may end with the marker of a transaction, which is not a record.
    const isNoted = at.position?.next === end && at.position.topicId === begun.topicId;
    return isNoted || show(end, []);
  }

  async function look(): Promise<LedgerLook> {
    const found = await view.find();
    const topicId = await kafka.topicId(topic);
    // Up to the high watermark: see readLedgerPages.
    const range = (await logRanges(kafka, [topic])).get(topic)![0]!;
    const refusal = found.position && refusalOf(topic, found.position, { topicId, ...range });
    return { found, topicId, range, refusal };
  }

  return {
    async catchUp() {
      let total = 0;
      for (;;) {
        const { found, topicId, range, refusal } = await look();
        if (refusal !== undefined) throw errorOf(refusal);
        const begun = found.position ? { ...found.position, topicId } : beginning(topicId);
        if (!(await showUpTo(range, found, begun, (added) => (total += added)))) continue;
        await view.noteWhole?.(found);
        reached = { ...begun, next: range.end };
        return total;
      }
    },
    async holds() {
      const found = await view.find();
      await view.noteWhole?.(found); // A close asks before each page.
      const { position } = found;
      return reached === undefined || (position?.run === reached.run && position.next >= reached.next);
    },
    doubt: () => view.doubt?.() ?? Promise.resolve(),
    refusal: async () => (await look()).refusal,
  };
}

interface LedgerLook {
  readonly found: FoundPosition;
  readonly topicId: string | undefined;
  readonly range: LogRange;
  readonly refusal: LedgerRefusal | undefined;
}

function refusalOf(
  topic: string,
  { next, topicId: shownId }: ViewPosition,
  { topicId, start, end }: LogRange & { readonly topicId: string | undefined },
): LedgerRefusal | undefined {
  if (shownId !== undefined && topicId !== shownId) {
    const problem = `Redis shows another ${topic} than the one in Kafka: its id was ${shownId} and is ${topicId}.`;
    return { code: 'TOPIC_REPLACED', topic, problem };
  }
  const shown = `Redis shows ${topic} up to offset ${next}`;
  if (next > end) {
    const problem = `${shown}, but it ends at ${end}: it was recreated, or has lost its end.`;
    return { code: 'CURSOR_PAST_LOG_END', topic, problem };
  }
  if (next > 0 && next < start) {
    const problem = `${shown}, but it begins at ${start}: records between were deleted.`;
    return { code: 'EVENTS_GONE', topic, problem };
  }
  return undefined;
}

const errorOf = ({ code, topic, problem }: LedgerRefusal): TallymanError =>
  new TallymanError(code, `${problem} ${LEDGER_REMEDY}`, { topic });
