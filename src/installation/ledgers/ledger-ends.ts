import type { KafkaClient } from '../../kafka/client';
import { topicName } from '../../kafka/topics/topics';
import { parsePosition, positionText, type ViewPosition } from '../../redis/views/ledger-view';
import type { Store } from '../../redis/store';
import { readLedgerLog, wasHeldBefore } from './ledger-log';
import { refusalOf, refused, type LedgerRefusal } from './ledger-refusal';

/** The ledgers that are read whole. No view holds a position in them. */
const WITHOUT_VIEW = ['billing.totals', 'billing.settings', 'billing.alerts'] as const;

/** A fetch returns a whole batch, however few bytes it asks for. */
const ONE_BATCH = { maxWaitMs: 500, maxBytes: 1 } as const;

/** Why ledgers without a view are not those that were seen before. Notes nothing. */
export async function endRefusals(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
): Promise<LedgerRefusal[]> {
  const all = await compareEnds(kafka, store, prefix);
  return all.flatMap(({ refusal }) => refusal ?? []);
}

/**
 * Makes sure that ledgers without a view still hold what was in them before, and notes where they
 * end now: the offset, and the leader epoch of the record before it.
 *
 * @throws TallymanError `TOPIC_REPLACED`, `CURSOR_PAST_LOG_END`, `EVENTS_GONE`, `LOG_DIVERGED`
 */
export async function checkLedgerEnds(kafka: KafkaClient, store: Store, prefix: string): Promise<void> {
  await Promise.all(
    (await compareEnds(kafka, store, prefix)).map(async ({ ledger, topic, seen, now, refusal }) => {
      if (refusal !== undefined) throw refused(refusal);
      if (now.next === (seen?.next ?? 0)) return;
      const reader = await kafka.reader();
      const last = { topic, partition: 0, position: now.next - 1, isUncommittedSeen: true };
      const { next, leaderEpoch } = await reader.fetch({ ...last, ...ONE_BATCH });
      if (next < now.next || leaderEpoch === undefined) return;
      if (seen !== undefined && !(await wasHeldBefore(kafka, topic, seen, leaderEpoch))) return;
      const end = positionText({ ...now, epoch: leaderEpoch });
      await store.redis.hset(store.keys.ledgerEnds, ledger, end);
    }),
  );
}

interface LedgerEnd {
  readonly ledger: (typeof WITHOUT_VIEW)[number];
  readonly topic: string;
  readonly seen: ViewPosition | undefined;
  readonly now: ViewPosition;
  readonly refusal: LedgerRefusal | undefined;
}

/** An installation of an older version may lack some of them until the next `init`. */
async function compareEnds(kafka: KafkaClient, store: Store, prefix: string): Promise<LedgerEnd[]> {
  const seenEnds = await store.redis.hgetall(store.keys.ledgerEnds);
  const existing = await kafka.topics(WITHOUT_VIEW.map((ledger) => topicName(prefix, ledger)));
  return Promise.all(
    WITHOUT_VIEW.filter((ledger) => existing.has(topicName(prefix, ledger))).map(async (ledger) => {
      const topic = topicName(prefix, ledger);
      const seen = parsePosition(seenEnds[ledger] ?? '');
      const log = await readLedgerLog(kafka, topic, seen?.epoch);
      const now = { next: log.end, topicId: log.topicId, run: 'seen' };
      return { ledger, topic, seen, now, refusal: seen && refusalOf(topic, seen, log) };
    }),
  );
}
