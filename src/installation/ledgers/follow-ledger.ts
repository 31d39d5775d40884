import { TallymanError } from '../../lib/errors';
import { pause } from '../../lib/process/poller';
import { createProgress } from '../../lib/progress';
import type { KafkaClient } from '../../kafka/client';
import { readLedgerRange } from '../../kafka/ledger/ledger';
import type { Fetched } from '../../kafka/log-reader';
import { topicName, type LogRange } from '../../kafka/topics/topics';
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
import { readLedgerLog, wasHeldBefore } from './ledger-log';
import { refusalOf, refused, type LedgerLog, type LedgerRefusal } from './ledger-refusal';

/** Brings one view in Redis up to the end of its ledger. */
export interface LedgerFollower {
  /**
   * Shows everything in the ledger, in its order: if a key is in it twice, the last record is
   * shown.
   *
   * @returns how many keys Redis did not show before
   * @throws TallymanError `TOPIC_REPLACED`, `CURSOR_PAST_LOG_END`, `EVENTS_GONE` or `LOG_DIVERGED`
   *   if the ledger is not the one that Redis has shown; `LEDGER_DAMAGED`, `KAFKA_UNAVAILABLE`
   */
  catchUp(): Promise<number>;
  /**
   * Whether everything that `catchUp` found is still there. A Redis that loses its tail loses view
   * and position together. If this is true, what was read in between was right.
   *
   * @throws TallymanError like `catchUp`
   */
  holds(): Promise<boolean>;
  /** Why `catchUp` would refuse this ledger. Shows nothing. */
  refusal(): Promise<LedgerRefusal | undefined>;
}

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
  const followsOn = compareLogs(kafka, topic);

  /** @returns false if another process moved the position, or another log was fetched */
  async function showUpTo(
    { start, end }: LogRange,
    found: FoundPosition,
    begun: ViewPosition,
    onAdded: (added: number) => void,
  ): Promise<boolean> {
    const from = Math.max(start, begun.next);
    let at = found;
    let { epoch } = begun;
    let isSame = true;
    const onFetched = async ({ leaderEpoch }: Fetched): Promise<void> => {
      if (leaderEpoch === epoch) return;
      isSame &&= await followsOn({ ...begun, next: at.position?.next ?? begun.next, epoch }, leaderEpoch);
      epoch = leaderEpoch;
    };
    const show = async (next: number, records: readonly LedgerRecord[]): Promise<boolean> => {
      const position = { ...begun, next, epoch };
      const shown = await view.show(at, position, records);
      if (shown === undefined) return false;
      at = { text: shown.text, position };
      onAdded(shown.added);
      return true;
    };
    const progress = createProgress(view.ledger);
    const range = { topic, partition: 0, from, to: end };
    for await (const records of readLedgerRange(kafka, view.ledger, range, onFetched)) {
      if (!isSame) return false;
      for (let first = 0; first < records.length; first += view.pageRecords) {
        const page = records.slice(first, first + view.pageRecords);
        if (!(await show(page.at(-1)!.offset + 1, page))) return false;
        progress.update(page.at(-1)!.offset - from, end - from);
      }
    }
    progress.end();
    // The log may end with the marker of a transaction, which is not a record.
    const isNoted =
      at.position?.next === end && at.position.topicId === begun.topicId && at.position.epoch === epoch;
    return isSame && (isNoted || show(end, []));
  }

  const look = (): Promise<LedgerLook> => lookAt(kafka, topic, view);
  return {
    async catchUp() {
      let total = 0;
      for (;;) {
        const { found, log, refusal } = await look();
        if (refusal !== undefined) throw refused(refusal);
        const begun = found.position ? { ...found.position, topicId: log.topicId } : beginning(log.topicId);
        if (!(await showUpTo(log, found, begun, (added) => (total += added)))) continue;
        await view.noteWhole?.(found);
        reached = { ...begun, next: log.end };
        return total;
      }
    },
    async holds() {
      const { found, refusal } = await look();
      await view.noteWhole?.(found); // A close asks before each page.
      if (refusal !== undefined) throw refused(refusal);
      const { position } = found;
      return reached === undefined || (position?.run === reached.run && position.next >= reached.next);
    },
    refusal: async () => (await look()).refusal,
  };
}

const OTHER_LOGS_AT_MOST = 5;
const OTHER_LOG_PAUSE_MS = 100;

/** `wasHeldBefore`, but not for ever: an election replaces the log once. */
function compareLogs(kafka: KafkaClient, topic: string) {
  let others = 0;
  return async (position: ViewPosition, fetched: number | undefined): Promise<boolean> => {
    const isSame = await wasHeldBefore(kafka, topic, position, fetched);
    others = isSame ? 0 : others + 1;
    if (others === OTHER_LOGS_AT_MOST) {
      others = 0;
      throw new TallymanError(
        'KAFKA_UNAVAILABLE',
        `The broker that leads ${topic} does not list the leader epoch of the records that it serves, so nothing shows whether ` +
          'they follow on what Redis shows. Restart that broker, then run this again.',
        { topic },
      );
    }
    if (!isSame) await pause(OTHER_LOG_PAUSE_MS * others);
    return isSame;
  };
}

interface LedgerLook {
  readonly found: FoundPosition;
  readonly log: LedgerLog;
  readonly refusal: LedgerRefusal | undefined;
}

async function lookAt(kafka: KafkaClient, topic: string, view: LedgerView): Promise<LedgerLook> {
  const found = await view.find();
  const log = await readLedgerLog(kafka, topic, found.position?.epoch);
  return { found, log, refusal: found.position && refusalOf(topic, found.position, log) };
}
