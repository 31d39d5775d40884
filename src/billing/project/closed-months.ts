import type { ProjectDocument } from './project';

export interface ClosedMonths {
  /** The latest closed month. */
  readonly last: string;
  /** The month after it, which is the first one that can still be changed. */
  readonly open: string;
}

/**
 * What a change would alter in closed months. Their invoices are issued, so the change would have
 * no effect there, while pricing them again would give other amounts. Rows that mean the same as
 * before alter nothing.
 *
 * @param before undefined for a project that was never saved
 */
export function closedMonthProblems(
  before: ProjectDocument | undefined,
  after: ProjectDocument,
  closed: ClosedMonths | undefined,
): string[] {
  if (closed === undefined) return [];
  const day = `${closed.open}-01`;
  const rows = (path: string, was: readonly DatedRow[], is: readonly DatedRow[]): string[] =>
    alteredRows(was, is, day).map(
      (text) =>
        `${path}: ${text}, but ${closed.last} is closed: the first day that can still be changed is ${day}`,
    );
  return [
    ...rows('plans', before?.plans ?? [], after.plans),
    ...rows('profile.taxes', before?.profile?.taxes ?? [], after.profile?.taxes ?? []),
    ...rows('profile.phoneNumbers', before?.profile?.phoneNumbers ?? [], after.profile?.phoneNumbers ?? []),
    ...alteredCredits(before?.credits ?? [], after.credits ?? [], closed.last).map(
      (text) =>
        `credits: ${text}, but ${closed.last} is closed: the first month that can still take a credit is ${closed.open}`,
    ),
  ];
}

type DatedRow = { readonly from: string } & object;

function alteredRows(was: readonly DatedRow[], is: readonly DatedRow[], openDay: string): string[] {
  const [before, after] = [pastRows(was, openDay), pastRows(is, openDay)];
  const lost = [...before.keys()].filter((from) => before.get(from) !== after.get(from));
  const gained = [...after.keys()].filter((from) => before.get(from) !== after.get(from));
  return [...new Set([...lost, ...gained])].sort().map((from) => {
    if (!before.has(from)) return `a row from ${from} is added`;
    return after.has(from) ? `the row from ${from} is changed` : `the row from ${from} is removed`;
  });
}

/**
 * What was in force before a day: from -> content. A row that repeats the one before it changes
 * nothing.
 */
function pastRows(rows: readonly DatedRow[], openDay: string): Map<string, string> {
  const past = rows.filter(({ from }) => from < openDay).sort((a, b) => (a.from < b.from ? -1 : 1));
  const held = new Map<string, string>();
  let last: string | undefined;
  for (const { from, ...terms } of past) {
    const text = inOneOrder(terms);
    if (text !== last) held.set(from, text);
    last = text;
  }
  return held;
}

/** The order of credits matters, because they are used up in it. */
function alteredCredits(
  was: NonNullable<ProjectDocument['credits']>,
  is: NonNullable<ProjectDocument['credits']>,
  lastClosed: string,
): string[] {
  const past = (credits: typeof was): typeof was => credits.filter(({ month }) => month <= lastClosed);
  const [before, after] = [past(was), past(is)];
  if (inOneOrder(before) === inOneOrder(after)) return [];
  const texts = (credits: typeof was): string[] => credits.map(inOneOrder);
  const added = after.filter((credit) => !texts(before).includes(inOneOrder(credit)));
  const removed = before.filter((credit) => !texts(after).includes(inOneOrder(credit)));
  if (added.length + removed.length === 0) return ['their order or their number is changed'];
  return [
    ...added.map(({ month, amount }) => `${amount} in ${month} is added`),
    ...removed.map(({ month, amount }) => `${amount} in ${month} is removed`),
  ];
}

/** The same text for the same value, whatever the order of its fields. */
function inOneOrder(value: unknown): string {
  return JSON.stringify(value, (_name, field: unknown) =>
    typeof field !== 'object' || field === null || Array.isArray(field)
      ? field
      : Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
}
