import { countBeyondIds } from '../../dead-letters/beyond-dedup-window';
import { listDeadLetters, placeOf, type DeadLetterEntry } from '../../dead-letters/read-dead-letters';
import { createPublisher } from '../../kafka/producer';
import { createRecordRater } from '../../dead-letters/record-rater';
import { replayDeadLetters, type ReplayReport } from '../../dead-letters/replay-dead-letters';
import type { WebDependencies } from '../http/dependencies';
import { ProblemError } from '../http/problems';

/** One dead letter, or all of a reason. */
export type AskedReplay =
  | { readonly place: string }
  | {
      readonly reason: string;
      /** How many dead letters the person was asked about and agreed to. */
      readonly confirmed?: number;
    };

/** More dead letters wait than were confirmed, so nothing was replayed. */
export interface ReplayQuestion {
  readonly waiting: number;
  readonly confirmed: number | undefined;
}

export interface ReplayOutcome {
  readonly report: ReplayReport;
  /**
   * Dead letters of the same reason that were not checked, because one request checks at most
   * `LETTERS_MAX`.
   */
  readonly left: number;
  /** How many of those that were checked are older than the dedup window. */
  readonly idsForgotten: number;
}

/** More are left to the command line, which shows its progress and keeps no browser waiting. */
export const LETTERS_MAX = 1_000;

/** What a form of the page requests. @throws ProblemError 400 unless it is one of the two */
export function askedReplay(body: unknown): AskedReplay {
  const { place, reason, confirmed } = (body ?? {}) as Readonly<Record<string, unknown>>;
  if (confirmed !== undefined && !/^\d{1,9}$/.test(typeof confirmed === 'string' ? confirmed : '')) {
    throw new ProblemError('BAD_REQUEST', '`confirmed` must be the number of dead letters.');
  }
  if (typeof place === 'string' && reason === undefined) return { place };
  if (typeof reason === 'string' && place === undefined)
    return { reason, ...(confirmed !== undefined && { confirmed: Number(confirmed) }) };
  throw new ProblemError('BAD_REQUEST', 'Send either `place` or `reason`.');
}

/**
 * Replays dead letters as `tallyman dead-letters replay` does. Requests run one after the other,
 * because the second of two clicks must see what the first one replayed.
 */
export function createReplay(
  web: WebDependencies,
): (asked: AskedReplay) => Promise<ReplayOutcome | ReplayQuestion> {
  let last: Promise<unknown> = Promise.resolve();
  return (asked) => {
    const outcome = last.then(() => replay(web, asked));
    last = outcome.catch(() => undefined);
    return outcome;
  };
}

async function replay(
  { config, calendar, kafka, nowMs }: WebDependencies,
  asked: AskedReplay,
): Promise<ReplayOutcome | ReplayQuestion> {
  const waiting = (await listDeadLetters(kafka, config.prefix)).filter(
    (entry) => entry.replayedAt === undefined && isAsked(entry, asked),
  );
  if (waiting.length === 0) {
    throw new ProblemError('NOT_FOUND', 'There is no such dead letter, or it was replayed before.');
  }
  const { confirmed } = 'reason' in asked ? asked : { confirmed: 1 };
  if (waiting.length > Math.max(1, confirmed ?? 0)) return { waiting: waiting.length, confirmed };
  const entries = waiting.slice(0, LETTERS_MAX);
  const idsForgotten = await countBeyondIds(kafka, config.prefix, entries);
  const publisher = await createPublisher(kafka);
  try {
    const report = await replayDeadLetters({
      ...{ client: kafka, prefix: config.prefix, publisher, entries, nowMs: nowMs() },
      rate: createRecordRater(config, calendar),
    });
    return { report, left: waiting.length - entries.length, idsForgotten };
  } finally {
    await publisher.close();
  }
}

const isAsked = (entry: DeadLetterEntry, asked: AskedReplay): boolean =>
  'place' in asked ? placeOf(entry) === asked.place : entry.reason === asked.reason;
