import type { KafkaClient } from '../../kafka/client';
import { ledgerTopics, topicName } from '../../kafka/topics/topics';
import { parsePosition, positionText, type ViewPosition } from '../../redis/views/ledger-view';
import type { Store } from '../../redis/store';
import { readLedgerLog, wasHeldBefore } from './ledger-log';
import { refusalOf, refused, type LedgerRefusal } from './ledger-refusal';

/** The ledgers that are read whole. No view holds a position in them. */
const WITHOUT_VIEW = ['billing.totals', 'billing.settings', 'billing.alerts'] as const;
type LedgerWithoutView = (typeof WITHOUT_VIEW)[number];

/** Nothing is billed by `billing.alerts`, and `serve` need not have the right to read it. */
export const ENDS_TO_BILL_BY: readonly LedgerWithoutView[] = ['billing.totals', 'billing.settings'];

/** What to do about a ledger without a view. */
export const END_REMEDY =
  'Restore the topic from a copy. If what it holds now is right, stop the consumers, then run `tallyman rebuild`.';

/** A fetch returns a whole batch, however few bytes it asks for. */
const ONE_BATCH = { maxWaitMs: 500, maxBytes: 1 } as const;

/** Why ledgers without a view are not those that were seen before. Notes nothing. */
export async function endRefusals(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
): Promise<LedgerRefusal[]> {
  const all = await compareEnds(kafka, store, prefix, WITHOUT_VIEW);
  return all.flatMap(({ refusal }) => refusal ?? []);
}

/**
 * Makes sure that ledgers without a view still hold what was in them before, and notes where they
 * end now: the offset, and the leader epoch of the record before it.
 *
 * @throws TallymanError `TOPIC_REPLACED`, `CURSOR_PAST_LOG_END`, `EVENTS_GONE`, `LOG_DIVERGED`
 */
export async function checkLedgerEnds(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  ledgers: readonly LedgerWithoutView[] = WITHOUT_VIEW,
): Promise<void> {
  const all = await compareEnds(kafka, store, prefix, ledgers);
  await Promise.all(
    all.map(async ({ ledger, topic, seen, now, isEmpty, refusal }) => {
      if (refusal !== undefined) throw refused(refusal, END_REMEDY);
      if (isEmpty || now.next === seen?.next) return;
      const reader = await kafka.reader();
      const last = { topic, partition: 0, position: now.next - 1, isUncommittedSeen: true };
      const { next, leaderEpoch } = await reader.fetch({ ...last, ...ONE_BATCH });
      if (next < now.next || leaderEpoch === undefined) return;
      if (seen !== undefined && !(await wasHeldBefore(kafka, topic, seen, leaderEpoch, END_REMEDY))) return;
      const end = positionText({ ...now, epoch: leaderEpoch });
      await store.redis.hset(store.keys.ledgerEnds, ledger, end);
    }),
  );
}

/** For ledgers that `init` creates, or that Redis is restored from: what they hold now is right. */
export async function forgetLedgerEnds(
  store: Store,
  prefix: string,
  topics: readonly string[] = ledgerTopics(prefix),
): Promise<void> {
  const ledgers = WITHOUT_VIEW.filter((ledger) => topics.includes(topicName(prefix, ledger)));
  if (ledgers.length > 0) await store.redis.hdel(store.keys.ledgerEnds, ...ledgers);
}

interface LedgerEnd {
  readonly ledger: LedgerWithoutView;
  readonly topic: string;
  readonly seen: ViewPosition | undefined;
  readonly now: ViewPosition;
  /** Also if all its records were deleted, so that it ends at a later offset than 0. */
  readonly isEmpty: boolean;
  readonly refusal: LedgerRefusal | undefined;
}

/** An installation of an older version may lack some of them until the next `init`. */
async function compareEnds(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  ledgers: readonly LedgerWithoutView[],
): Promise<LedgerEnd[]> {
  const seenEnds = await store.redis.hgetall(store.keys.ledgerEnds);
  const existing = await kafka.topics(ledgers.map((ledger) => topicName(prefix, ledger)));
  return Promise.all(
    ledgers
      .filter((ledger) => existing.has(topicName(prefix, ledger)))
      .map(async (ledger) => {
        const topic = topicName(prefix, ledger);
        const seen = parsePosition(seenEnds[ledger] ?? '');
        const log = await readLedgerLog(kafka, topic, seen?.epoch);
        const now = { next: log.end, topicId: log.topicId, run: 'seen' };
        const isEmpty = log.start === log.end;
        return { ledger, topic, seen, now, isEmpty, refusal: seen && refusalOf(topic, seen, log) };
      }),
  );
}
