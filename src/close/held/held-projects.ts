import { problemOf, problemOfError, type InvoiceProblem } from '../../billing/invoice/invoice-problem';
import { TallymanError } from '../../lib/errors';

/**
 * A project that a close leaves out: no document of the month is issued to it until the reason is gone. The next close
 * takes the project up again.
 */
export type Held = InvoiceProblem;

/** Codes that say something about Redis as a whole, besides those that begin with `REDIS_`. */
const OF_ALL_PROJECTS = new Set([
  'UNINITIALISED',
  'REBUILD_UNFINISHED',
  'FEWER_SHARDS',
  'SHARDS_STALE',
  'SHARD_TORN',
]);

/**
 * Whether an error that arose while one project was read or priced is this project's alone. A store that is away, or that
 * refuses every command, is not: without it the others cannot be billed either.
 */
function isOfOneProject(error: unknown): boolean {
  if (error instanceof TallymanError)
    return !OF_ALL_PROJECTS.has(error.code) && !error.code.startsWith('REDIS_');
  if (isReply(error)) return error.message.startsWith('WRONGTYPE');
  return !(error instanceof Error && error.name.startsWith('KafkaJS'));
}

/** What Redis itself answered, in the words of its client. */
const isReply = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError';

/**
 * Does some work for several projects at once, and leaves out those that make it fail: a failure is narrowed down to its
 * projects by halves. The work must be repeatable.
 *
 * @throws what is not one project's alone
 */
export async function doForEach<P extends { readonly project: string }, T>(
  projects: readonly P[],
  month: string,
  work: (projects: readonly P[]) => Promise<readonly T[]>,
): Promise<{ done: T[]; held: Held[] }> {
  if (projects.length === 0) return { done: [], held: [] };
  try {
    return { done: [...(await work(projects))], held: [] };
  } catch (error) {
    if (!isOfOneProject(error)) throw error;
    const [first] = projects;
    if (projects.length === 1) return { done: [], held: [heldFor(first!.project, month, error)] };
  }
  const middle = projects.length >> 1;
  const before = await doForEach(projects.slice(0, middle), month, work);
  const after = await doForEach(projects.slice(middle), month, work);
  return { done: [...before.done, ...after.done], held: [...before.held, ...after.held] };
}

/**
 * What came out, or why the project is held.
 *
 * @throws what is not one project's alone
 */
export function orHeld<T>(project: string, month: string, price: () => T): T | Held {
  try {
    return price();
  } catch (error) {
    if (!isOfOneProject(error)) throw error;
    return heldFor(project, month, error);
  }
}

export const isHeld = (one: object): one is Held => 'remedy' in one && 'code' in one;

function heldFor(project: string, month: string, error: unknown): Held {
  const place = { project, month };
  if (error instanceof TallymanError) return problemOfError(place, error);
  const detail = error instanceof Error ? error.message : String(error);
  return error instanceof SyntaxError || isReply(error)
    ? problemOf(place, 'UNREADABLE', `What Redis contains of ${month} cannot be read: ${detail}`)
    : problemOf(place, 'NOT_PRICED', detail);
}
