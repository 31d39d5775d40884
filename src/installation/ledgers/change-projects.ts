import { isRefused } from '../../kafka/refusal';
import { isDeepStrictEqual } from 'node:util';
import { closedMonthProblems, type ClosedMonths } from '../../billing/project/closed-months';
import type { ProjectDocument } from '../../billing/project/project';
import { TallymanError } from '../../lib/errors';
import { pause } from '../../lib/process/poller';
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
  /** Saves nothing, and shuts nobody out. */
  readonly dryRun?: boolean | undefined;
}

/** The current projects, for one change. No other change can be saved before this one. */
export interface ProjectsEditor {
  /** The saved projects, in the order of the names; undefined for one that was never saved. */
  read(projects: readonly string[]): Promise<(ProjectDocument | undefined)[]>;
  /** The parts of a change that are in closed months. */
  problemsOf(before: ProjectDocument | undefined, after: ProjectDocument): string[];
  /** Publishes those that differ from the ledger. */
  save(before: readonly (ProjectDocument | undefined)[], after: readonly ProjectDocument[]): Promise<void>;
}

/**
 * Another process has changed projects meanwhile, or Kafka did not answer. The change starts again.
 */
class ChangeLost extends Error {}

/** If ten start at once, the last one needs about five attempts. */
const ATTEMPTS = 12;
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 4_000;

/**
 * Changes projects on the latest state of the ledger. If several processes do so at once, they get
 * through one at a time: Kafka shuts out whoever opened the ledger earlier. That process starts
 * again with the ledger as it is by then.
 *
 * @param change may be called several times, so it must not depend on an earlier call
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
    // Before others are shut out, so that a long catch-up does not keep them waiting.
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

/** @returns undefined if the change must start again */
async function attemptChange<T>(
  dependencies: ProjectsDependencies,
  view: LedgerFollower,
  progress: { saved: number; lost?: ChangeLost },
  change: (editor: ProjectsEditor) => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const { kafka, prefix, dryRun } = dependencies;
  const writer = dryRun ? undefined : await openLedgerWriter(kafka, topicName(prefix, LEDGER));
  try {
    const onSaved = (count: number): unknown => (progress.saved += count);
    return { value: await change(await openEditor(dependencies, view, writer, onSaved)) };
  } catch (error) {
    if (!(error instanceof ChangeLost)) throw error;
    progress.lost = error;
    return undefined;
  } finally {
    await writer?.close();
  }
}

/**
 * Shuts out processes that are changing projects, and shows what they had saved. A close calls this
 * after it is published. A change that did not see the close is then either saved and in the view,
 * or it starts again and is refused because the month is closed.
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
  writer: LedgerWriter | undefined,
  onSaved: (count: number) => unknown,
): Promise<ProjectsEditor> {
  await view.catchUp();
  const last = [...(await readCloseRecords(kafka, prefix)).keys()].at(-1);
  const closed: ClosedMonths | undefined =
    last === undefined ? undefined : { last, open: calendar.nextMonth(last) };
  return {
    async read(projects) {
      const documents = await readProjectsNamed(store, projects);
      // Redis may have gone back meanwhile. These would then be older than the ledger.
      if (!(await view.holds())) throw new ChangeLost('Redis lost what was read from it');
      return documents;
    },
    problemsOf: (before, after) => closedMonthProblems(before, after, closed),
    async save(before, after) {
      if (writer === undefined) return;
      const changed = after.filter((document, i) => !isDeepStrictEqual(document, before[i]));
      const records = changed.map((document) => ({ key: document.project, value: JSON.stringify(document) }));
      await writer.append(records).catch((cause: unknown) => {
        throw new ChangeLost('Kafka did not confirm it', { cause });
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

/** If a store does not answer, it is unknown whether anything was changed. */
function toldWhatIsSaved(error: unknown, { saved, lost }: { saved: number; lost?: ChangeLost }): unknown {
  const isKafkas = error instanceof Error && error.name.startsWith('KafkaJS');
  if (!isKafkas && !(error instanceof RedisUnavailableError)) return error;
  if (lost !== undefined) return unknownOutcome(lost);
  if (isRefused(error.message)) return error;
  const what =
    saved === 0
      ? 'Nothing was changed'
      : `${saved} projects were saved before; run the command again, which changes nothing twice`;
  return new TallymanError(
    isKafkas ? 'KAFKA_UNAVAILABLE' : 'REDIS_UNAVAILABLE',
    `${isKafkas ? `Kafka does not answer: ${error.message.replace(/\.$/, '')}` : error.message}. ${what}.`,
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
