import type { Revocation } from '../../schemas/types';
import type { Logger } from '../lib/logger';
import { repeat, within } from '../lib/process/poller';
import type { KafkaClient } from '../kafka/client';
import { appendLedger, readLedgerRange } from '../kafka/ledger/ledger';
import { createPublisher } from '../kafka/producer';
import { logRanges, topicName } from '../kafka/topics/topics';

/**
 * Revoked tokens are records of a ledger, and no part of Redis: a Redis that loses its last second
 * or all its data would accept them again.
 */
const LEDGER = 'billing.settings';
const tokenKey = (id: string): string => `revoked/token/${id}`;
const subjectKey = (subject: string): string => `revoked/subject/${subject}`;

export interface Revoked {
  /** Ids of tokens. */
  readonly tokens: readonly string[];
  /** Subjects, all of whose tokens until now are revoked. */
  readonly subjects: readonly string[];
}

export async function revoke(
  kafka: KafkaClient,
  prefix: string,
  { tokens, subjects }: Revoked,
  nowMs: number,
): Promise<void> {
  const value = JSON.stringify({ revokedAt: new Date(nowMs).toISOString() } satisfies Revocation);
  const publisher = await createPublisher(kafka);
  try {
    const keys = [...tokens.map(tokenKey), ...subjects.map(subjectKey)];
    await appendLedger(
      publisher,
      topicName(prefix, LEDGER),
      keys.map((key) => ({ key, value })),
    );
  } finally {
    await publisher.close();
  }
}

export interface RevocationWatch {
  /** undefined until the ledger was read. Nobody can be let in until then. */
  isRevoked(token: {
    readonly id: string;
    readonly subject: string;
    readonly issuedAtMs: number;
  }): boolean | undefined;
  stop(): void;
}

const LOOK_EVERY_MS = 2_000;
const FIRST_LOOK_MS = 5_000;
/** How far the clocks of those who make tokens and those who revoke them may differ. */
const CLOCK_TOLERANCE_MS = 30_000;

/** Follows the ledger. Resolves after the first look, or if it takes too long. */
export async function watchRevocations(
  kafka: KafkaClient,
  prefix: string,
  logger: Logger,
): Promise<RevocationWatch> {
  const topic = topicName(prefix, LEDGER);
  const revokedAtMs = new Map<string, number>();
  let next: number | undefined;
  const looks = repeat({
    everyMs: LOOK_EVERY_MS,
    async turn() {
      const { start, end } = (await logRanges(kafka, [topic])).get(topic)![0]!;
      // A ledger that was recreated begins again.
      const from = next === undefined || next > end ? start : Math.max(start, next);
      for await (const records of readLedgerRange(kafka, LEDGER, { topic, partition: 0, from, to: end })) {
        for (const { key, document } of records) {
          if (key.startsWith('revoked/') && document !== null)
            revokedAtMs.set(key, Date.parse((document as Revocation).revokedAt));
        }
      }
      next = end;
    },
    onFailure: (error, isFirst) =>
      isFirst && logger.error({ err: error }, 'cannot read which tokens were revoked'),
    onRecovery: () => logger.info('which tokens were revoked can be read again'),
  });
  await within(FIRST_LOOK_MS, looks.now());
  return {
    isRevoked({ id, subject, issuedAtMs }) {
      if (next === undefined) return undefined;
      const untilMs = revokedAtMs.get(subjectKey(subject));
      return (
        revokedAtMs.has(tokenKey(id)) || (untilMs !== undefined && issuedAtMs <= untilMs + CLOCK_TOLERANCE_MS)
      );
    },
    stop: () => void looks.stop(),
  };
}
