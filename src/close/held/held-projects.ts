import { TallymanError } from '../../lib/errors';

/** A project that a close leaves out: no document of the month is issued to it until the reason is gone. */
export interface Held {
  readonly project: string;
  /** Stable, upper-case. */
  readonly code: string;
  readonly detail: string;
  /** What to type or to change. The next close takes the project up again. */
  readonly remedy: string;
}

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
  const again = `Then run \`tallyman close ${month}\` again.`;
  if (error instanceof TallymanError) {
    const { code, message: detail, fields } = error;
    return { project, code, detail, remedy: `${remedyOf(code, fields, project, month)} ${again}` };
  }
  const detail = error instanceof Error ? error.message : String(error);
  const recount =
    `Run \`tallyman verify ${month}\`, which names what Redis holds and Kafka does not. If Redis is wrong, empty it and ` +
    'run `tallyman rebuild`.';
  if (error instanceof SyntaxError || isReply(error)) {
    return {
      project,
      code: 'UNREADABLE',
      detail: `Redis holds no ${month} of it: ${detail}`,
      remedy: `${recount} ${again}`,
    };
  }
  return { project, code: 'NOT_PRICED', detail, remedy: `${recount} ${again}` };
}

function remedyOf(
  code: string,
  fields: Readonly<Record<string, unknown>>,
  project: string,
  month: string,
): string {
  if (code === 'UNKNOWN_PLAN') {
    const { plan, day } = fields as { plan?: string; day?: string };
    return (
      `Add a row of plan "${plan}" from ${day} or earlier to the catalog (TALLYMAN_CATALOG; \`tallyman catalog show\` prints ` +
      'the one in force). If that usage is not to be charged, take it back with usage.void.v1.'
    );
  }
  return (
    `Run \`tallyman verify ${month}\`, which tells whether Redis or the catalog is wrong, and ` +
    `\`tallyman projects show ${project}\`. If Redis is wrong, empty it and run \`tallyman rebuild\`.`
  );
}
