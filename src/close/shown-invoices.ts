import { parseInvoiceId } from '../billing/invoice-id';
import { TallymanError } from '../errors';
import { createProgress } from '../progress';
import type { KafkaClient } from '../stream/kafka';
import { readRange, type LogRecord } from '../stream/read-range';
import { logRanges, topicName } from '../stream/topics';
import {
  readInvoicesShown,
  showInvoices,
  showsInOneStep,
  writeInvoices,
  type ShownInvoice,
} from '../totals/invoices';
import type { Store } from '../totals/store';

/** Redis's view of the invoice ledger. */
export interface ShownInvoices {
  /**
   * Shows all that is in the ledger by now, in its order: of a document that stands in it twice, the last holds.
   *
   * @returns how many documents Redis did not show before
   * @throws TallymanError `CURSOR_PAST_LOG_END` if the ledger is not the one that Redis has shown
   */
  catchUp(): Promise<number>;
  /** Whether all that `catchUp` found is still there: a Redis that loses its tail loses documents and position together. */
  holds(): Promise<boolean>;
}

/** So many documents are shown in one step, which blocks Redis. */
const PAGE = 200;
/** Invoices shrink to a tenth in the log, so this is some megabytes of them. */
const FETCH_BYTES = 512 * 1_024;

/**
 * Follows the invoice ledger. It alone writes invoices to Redis, and remembers there how far it came: so what Redis shows
 * is what the ledger holds up to that position, whatever Redis has lost. On a cluster, whose nodes lose their tails each
 * on its own, no position could say that: there the ledger is read from its start, once for each close.
 */
export function followInvoices(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  what: string,
): ShownInvoices {
  const topic = topicName(prefix, 'billing.invoices');
  const inOneStep = showsInOneStep(store);
  let position = 0;

  /** @returns how many were new; undefined if the position moved by another hand */
  async function show(next: number, documents: readonly ShownInvoice[]): Promise<number | undefined> {
    let added: number | undefined = 0;
    if (inOneStep) added = await showInvoices(store, position, next, documents);
    else await writeInvoices(store, documents);
    if (added !== undefined) position = next;
    return added;
  }

  /** @returns false where it has to begin anew */
  async function showUpTo(end: number, from: number, onAdded: (added: number) => void): Promise<boolean> {
    const range = { topic, partition: 0, from, to: end, fetchBytes: FETCH_BYTES };
    for await (const records of readRange(kafka, range)) {
      for (let at = 0; at < records.length; at += PAGE) {
        const page = records.slice(at, at + PAGE);
        const added = await show(page.at(-1)!.offset + 1, page.flatMap(shownOf));
        if (added === undefined) return false;
        onAdded(added);
      }
    }
    return true;
  }

  return {
    async catchUp() {
      const progress = createProgress(what);
      let total = 0;
      for (;;) {
        if (inOneStep) position = await readInvoicesShown(store);
        const { start, end } = (await logRanges(kafka, [topic])).get(topic)![0]!;
        if (position > end) {
          throw new TallymanError(
            'CURSOR_PAST_LOG_END',
            `Redis shows ${topic} up to offset ${position}, and it ends at ${end}: it was made anew, or has lost its end.`,
            { topic, position, end },
          );
        }
        const from = Math.max(start, position);
        const isDone = await showUpTo(end, from, (added) => {
          total += added;
          progress.update(position - from, end - from);
        });
        if (isDone) break;
      }
      progress.end();
      return total;
    },
    holds: async () => !inOneStep || (await readInvoicesShown(store)) >= position,
  };
}

function shownOf({ key, value }: LogRecord): ShownInvoice[] {
  const id = parseInvoiceId(key?.toString() ?? '');
  return id === undefined ? [] : [{ project: id.project, entry: id.entry, json: value?.toString() ?? null }];
}
