import { problemOf, problemOfError, type InvoiceProblem } from '../../billing/invoice/invoice-problem';
import { TallymanError } from '../../lib/errors';

/**
 * A project that a close leaves out. It gets no document of the month until the reason is gone, and
 * each later close tries again.
 */
export type Held = InvoiceProblem;

/** Codes that concern Redis as a whole, besides those that begin with `REDIS_`. */
const OF_ALL_PROJECTS = new Set([
  'UNINITIALISED',
  'REBUILD_UNFINISHED',
  'FEWER_SHARDS',
  'SHARDS_STALE',
  'SHARD_TORN',
]);

/**
 * Whether an error while one project was read or priced concerns this project alone. If a store is
 * away or refuses every command, the others cannot be billed either.
 */
function isOfOneProject(error: unknown): boolean {
  if (error instanceof TallymanError)
    return !OF_ALL_PROJECTS.has(error.code) && !error.code.startsWith('REDIS_');
  if (isReply(error)) return error.message.startsWith('WRONGTYPE');
  return !(error instanceof Error && error.name.startsWith('KafkaJS'));
}

/** The name of errors that Redis itself answered. */
const isReply = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError';

/**
 * Does work for several projects at once, and leaves out those that make it fail. It finds them by
 * halving the list. The work must be repeatable.
 *
 * @throws errors that do not concern one project alone
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

/** The result, or why the project is held.
 *
 * @throws errors that do not concern one project alone
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
  const isDamaged = error instanceof TallymanError && error.code === 'DOCUMENT_DAMAGED';
  if (error instanceof TallymanError && !isDamaged) return problemOfError(place, error);
  const detail = error instanceof Error ? error.message : String(error);
  // A quantity that is not an integer is a SyntaxError.
  return isDamaged || error instanceof SyntaxError || isReply(error)
    ? problemOf(place, 'UNREADABLE', `The data of ${month} in Redis cannot be read: ${detail}`)
    : problemOf(place, 'NOT_PRICED', detail);
}
