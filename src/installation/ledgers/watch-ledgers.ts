import type { Logger } from '../../lib/logger';
import { repeat, within } from '../../lib/process/poller';
import type { KafkaClient } from '../../kafka/client';
import { topicName } from '../../kafka/topics/topics';
import { isRebuilding } from '../../redis/rebuilding';
import type { Store } from '../../redis/store';
import { followLedgers } from './follow-ledger';
import { checkLedgerEnds, ENDS_TO_BILL_BY } from './ledger-ends';

/** Why Redis may show old ledgers, or only a part of the usage. */
export interface LedgerProblem {
  readonly code: 'LEDGER_UNSEEN' | 'REBUILD_UNFINISHED';
  readonly subject: string;
  readonly detail: string;
}

export interface LedgerWatch {
  /** At the last look; undefined if all is well. */
  problem(): LedgerProblem | undefined;
  /** Discards a look that is under way. */
  stop(): void;
}

const LOOK_EVERY_MS = 2_000;
const REBUILDING: LedgerProblem = {
  code: 'REBUILD_UNFINISHED',
  subject: 'Redis',
  detail: 'a rebuild is under way, or was stopped: Redis does not hold all usage yet',
};
/** A server starts without Kafka too, and then shows what Redis holds. */
const FIRST_LOOK_MS = 5_000;

/**
 * Follows the ledgers for a long-running process: what Redis loses of its views is shown again
 * within seconds. Resolves after the first look, or if it takes too long.
 */
export async function watchLedgers(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  logger: Logger,
): Promise<LedgerWatch> {
  const { projects, closes, invoices } = followLedgers(kafka, store, prefix);
  const views = Object.entries({ projects, closes, invoices });
  let subject = '';
  let unseen: LedgerProblem | undefined;
  let rebuilding: LedgerProblem | undefined;

  const look = async (): Promise<void> => {
    subject = '';
    rebuilding = (await isRebuilding(store)) ? REBUILDING : undefined;
    for (const [view, follower] of views) {
      subject = topicName(prefix, `billing.${view}`);
      const added = await follower.catchUp();
      if (added > 0) logger.info({ view, added }, 'showed new records of the ledger');
    }
    subject = 'the ledgers';
    await checkLedgerEnds(kafka, store, prefix, ENDS_TO_BILL_BY);
    unseen = undefined;
  };
  const looks = repeat({
    everyMs: LOOK_EVERY_MS,
    turn: look,
    onFailure(error, isFirst) {
      if (isFirst)
        logger.error({ err: error }, 'the ledgers cannot be followed: plans and invoices may be old');
      const reason = error instanceof Error ? error.message : String(error);
      const detail = `it cannot be followed, so what is shown of it may be old: ${reason}`;
      unseen = { code: 'LEDGER_UNSEEN', subject, detail };
    },
    onRecovery: () => logger.info('the ledgers can be followed again'),
  });
  await within(FIRST_LOOK_MS, looks.now());
  return { problem: () => rebuilding ?? unseen, stop: () => void looks.stop() };
}
