import { isDeepStrictEqual } from 'node:util';
import { closedMonthProblems, type ClosedMonths } from '../../billing/project/closed-months';
import type { ProjectDocument } from '../../billing/project/project';
import { TallymanError } from '../../lib/errors';
import type { BillingCalendar } from '../../rating/billing-calendar';
import type { KafkaClient } from '../../kafka/client';
import { openLedgerWriter, type LedgerWriter } from '../../kafka/ledger/ledger';
import { topicName } from '../../kafka/topics/topics';
import { readProjectsNamed } from '../../redis/views/projects';
import { RedisUnavailableError, type Store } from '../../redis/store';
import { followLedgers, type LedgerFollower } from './follow-ledger';
import { readCloseRecords } from './restore-closes';

const LEDGER = 'billing.projects';

export interface ProjectsDependencies {
  readonly kafka: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  readonly calendar: BillingCalendar;
}

/**
 * The projects as they are, for one change of them: nobody else changes them before it is saved.
 */
export interface ProjectsEditor {
  /** What was set of these projects, in their order; undefined for one that was never set. */
  read(projects: readonly string[]): Promise<(ProjectDocument | undefined)[]>;
  /** What of a change lies in closed months. */
  problemsOf(before: ProjectDocument | undefined, after: ProjectDocument): string[];
  /** Publishes those that are not as they stand in the ledger. */
  save(before: readonly (ProjectDocument | undefined)[], after: readonly ProjectDocument[]): Promise<void>;
}

/**
 * Somebody else has changed projects meanwhile, or Kafka did not answer: the change begins anew.
 */
class ChangeLost extends Error {}

/** If ten begin at once, the last one needs about five attempts. */
const ATTEMPTS = 12;
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 4_000;

/**
 * Changes projects on the ledger's latest state. If several change them at once, one is let through
 * at a time: Kafka shuts out whoever opened the ledger earlier, who then begins anew with what is
 * in the ledger by now.
 *
 * @param change may be called several times, so it must not build on what an earlier call has done
 * @throws TallymanError `CHANGE_UNKNOWN`, `CHANGE_NOT_SHOWN`, and `REDIS_UNAVAILABLE` or
 *   `KAFKA_UNAVAILABLE` with what was saved until then
 */
export async function changeProjects<T>(
  dependencies: ProjectsDependencies,
  change: (editor: ProjectsEditor) => Promise<T>,
): Promise<T> {
  const { kafka, store, prefix } = dependencies;
  const { projects: view } = followLedgers(kafka, store, prefix);
  const progress: { saved: number; lost?: ChangeLost } = { saved: 0 };
  try {
    // Before others are shut out: if there is much to be shown, it is shown by then.
    await view.catchUp();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const result = await attemptChange(dependencies, view, progress, change);
      if (result !== undefined) {
        await showChanges(view);
        return result.value;
      }
      await pause(Math.random() * Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** attempt));
    }
  } catch (error) {
    throw toldWhatIsSaved(error, progress);
  }
  throw unknownOutcome(progress.lost!);
}

/** @returns undefined if the change must begin anew */
async function attemptChange<T>(
  dependencies: ProjectsDependencies,
  view: LedgerFollower,
  progress: { saved: number; lost?: ChangeLost },
  change: (editor: ProjectsEditor) => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const writer = await openLedgerWriter(dependencies.kafka, topicName(dependencies.prefix, LEDGER));
  try {
    const onSaved = (count: number): unknown => (progress.saved += count);
    return { value: await change(await openEditor(dependencies, view, writer, onSaved)) };
  } catch (error) {
    if (!(error instanceof ChangeLost)) throw error;
    progress.lost = error;
    return undefined;
  } finally {
    await writer.close();
  }
}

/**
 * Shuts out whoever changes projects now, and shows what they had saved. After a close was
 * published: a change that did not know of it is then either saved, and in the view, or begins anew
 * and is told that the month is closed.
 */
export async function settleProjects(
  kafka: KafkaClient,
  prefix: string,
  view: LedgerFollower,
): Promise<void> {
  const writer = await openLedgerWriter(kafka, topicName(prefix, LEDGER));
  await writer.close();
  await view.catchUp();
}

async function openEditor(
  { kafka, store, prefix, calendar }: ProjectsDependencies,
  view: LedgerFollower,
  writer: LedgerWriter,
  onSaved: (count: number) => unknown,
): Promise<ProjectsEditor> {
  await view.catchUp();
  const last = [...(await readCloseRecords(kafka, prefix)).keys()].at(-1);
  const closed: ClosedMonths | undefined =
    last === undefined ? undefined : { last, open: calendar.nextMonth(last) };
  return {
    async read(projects) {
      const documents = await readProjectsNamed(store, projects);
      // Redis may have gone back since: then these are older than the ledger.
      if (!(await view.holds())) throw new ChangeLost('Redis lost what was read of it');
      return documents;
    },
    problemsOf: (before, after) => closedMonthProblems(before, after, closed),
    async save(before, after) {
      const changed = after.filter((document, i) => !isDeepStrictEqual(document, before[i]));
      const records = changed.map((document) => ({ key: document.project, value: JSON.stringify(document) }));
      await writer.append(records).catch((cause: unknown) => {
        throw new ChangeLost('Kafka did not take it', { cause });
      });
      onSaved(records.length);
    },
  };
}

async function showChanges(view: LedgerFollower): Promise<void> {
  try {
    await view.catchUp();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TallymanError(
      'CHANGE_NOT_SHOWN',
      `The change is saved in the ledger, but Redis does not show it yet: ${reason.replace(/\.$/, '')}. Nothing is lost: the next command ` +
        'that reads projects shows it.',
      {},
      { cause: error },
    );
  }
}

/** A store that does not answer leaves the question whether anything was changed. */
function toldWhatIsSaved(error: unknown, { saved, lost }: { saved: number; lost?: ChangeLost }): unknown {
  const isKafkas = error instanceof Error && error.name.startsWith('KafkaJS');
  if (!isKafkas && !(error instanceof RedisUnavailableError)) return error;
  if (lost !== undefined) return unknownOutcome(lost);
  const what =
    saved === 0
      ? 'Nothing was changed'
      : `${saved} projects were saved before; run the command again, which changes nothing twice`;
  return new TallymanError(
    isKafkas ? 'KAFKA_UNAVAILABLE' : 'REDIS_UNAVAILABLE',
    `${isKafkas ? `Kafka does not answer: ${error.message}` : error.message}. ${what}.`,
    { saved },
    { cause: error },
  );
}

function unknownOutcome({ cause }: ChangeLost): TallymanError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new TallymanError(
    'CHANGE_UNKNOWN',
    `The change was not confirmed${reason}. Whether it is in the ledger is not known: run the command again, which ` +
      'changes nothing twice.',
    {},
    { cause },
  );
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
