import type { Logger } from '../../lib/logger';
import type { KafkaClient } from '../../kafka/client';
import type { Store } from '../../redis/store';
import { followLedgers } from './follow-ledger';

export interface LedgerWatch {
  /** A look that is under way comes to nothing. */
  stop(): void;
}

const LOOK_EVERY_MS = 2_000;
/** A server starts without Kafka too, and then shows what Redis holds. */
const FIRST_LOOK_MS = 5_000;

/**
 * Follows the ledgers for a process that runs on: what Redis loses of its views is shown again within seconds. Resolves
 * after the first look, or when it takes too long.
 */
export async function watchLedgers(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  logger: Logger,
): Promise<LedgerWatch> {
  const { projects, closes, invoices } = followLedgers(kafka, store, prefix);
  const views = Object.entries({ projects, closes, invoices });
  const stopping = new AbortController();
  let isFailing = false;

  const look = async (): Promise<void> => {
    try {
      for (const [view, follower] of views) {
        const added = await follower.catchUp();
        if (added > 0) logger.info({ view, added }, 'showed what the ledger had');
      }
      if (isFailing) logger.info('the ledgers can be followed again');
      isFailing = false;
    } catch (error) {
      if (stopping.signal.aborted) return;
      // Told once, not every time.
      if (!isFailing)
        logger.error({ err: error }, 'the ledgers cannot be followed: plans and invoices may be old');
      isFailing = true;
    }
  };

  const first = look();
  void first.then(async () => {
    while (!stopping.signal.aborted) {
      await wait(LOOK_EVERY_MS, stopping.signal);
      if (!stopping.signal.aborted) await look();
    }
  });
  await Promise.race([first, wait(FIRST_LOOK_MS, stopping.signal)]);
  return {
    stop: () => stopping.abort(),
  };
}

/** Until then, or until it is stopped. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
