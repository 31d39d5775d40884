import type { RecentDeadLetters } from '../../../dead-letters/recent-dead-letters';
import { behindOf, stuckPartitions } from '../../../ingest/health/log-position';
import type { Overview } from '../../../ops/overview';
import { formatTable, groupDigits, printable, type Column } from '../output';
import type { Line } from './screen';

/** What `tallyman top` shows at one moment. */
export interface TopView extends Overview {
  /** Why a field is not known. */
  readonly problems: readonly string[];
}

/**
 * A partition that has something to apply, and makes no progress for this long, is called stuck.
 */
const STUCK_AFTER_MS = 10_000;
const PARTITIONS_SHOWN = 8;
const PROJECTS_SHOWN = 10;
const REASONS_SHOWN = 3;

const instant = (ms: number): string => new Date(ms).toISOString();

export function topLines(view: TopView): Line[] {
  return [
    { text: `tallyman top  ${instant(view.nowMs)}` },
    ...view.problems.map((problem): Line => ({ text: printable(problem), tone: 'bad' })),
    ...freshnessLines(view),
    { text: '' },
    ...topicLines(view),
    ...partitionLines(view),
    ...deadLetterLines(view),
    { text: '' },
    ...spendLines(view),
  ];
}

function freshnessLines({ position }: TopView): Line[] {
  if (position === undefined) return [{ text: 'It is not known how fresh the totals are.', tone: 'careful' }];
  const { atMs, behind, perSecond } = position;
  if (behind === 0) return [{ text: `Up to date: everything published before ${instant(atMs)} is counted.` }];
  const left = perSecond > 0 ? `, about ${groupDigits(Math.ceil(behind / perSecond))} s at this rate` : '';
  return [{ text: `Behind: ${groupDigits(behind)} to apply${left}.`, tone: 'careful' }];
}

function topicLines({ position }: TopView): Line[] {
  if (position === undefined) return [];
  const { topics, behind, perSecond } = position;
  return tableLines(
    [
      { title: 'topic', of: ({ topic }) => topic },
      { title: 'behind', of: (row) => groupDigits(row.behind), align: 'right' },
      { title: 'applied/s', of: (row) => groupDigits(row.perSecond), align: 'right' },
    ],
    [...topics, { topic: 'all', behind, perSecond }],
  );
}

/** The partitions that are behind: the stuck ones first, then those with the most to apply. */
function laggingOf({ position }: TopView): LaggingPartition[] {
  if (position === undefined) return [];
  const stuck = new Set(stuckPartitions(position, STUCK_AFTER_MS));
  return position.partitions
    .filter((partition) => behindOf(partition) > 0)
    .map((partition) => ({
      topic: partition.topic,
      partition: partition.partition,
      cursor: partition.cursor ?? 0,
      end: partition.end,
      behind: behindOf(partition),
      stillMs: partition.stillMs,
      isHeld: partition.cursor !== undefined && partition.cursor >= partition.stable,
      stuck: stuck.has(partition),
    }))
    .sort((a, b) => Number(b.stuck) - Number(a.stuck) || b.behind - a.behind);
}

interface LaggingPartition {
  readonly topic: string;
  readonly partition: number;
  readonly cursor: number;
  readonly end: number;
  readonly behind: number;
  /** For how long the cursor has not moved. */
  readonly stillMs: number;
  readonly stuck: boolean;
  /** An open transaction holds the rest back. */
  readonly isHeld: boolean;
}

function partitionLines(view: TopView): Line[] {
  const lagging = laggingOf(view);
  if (lagging.length === 0) return [];
  const shown = lagging.slice(0, PARTITIONS_SHOWN);
  const table = tableLines(
    [
      { title: 'partition', of: ({ topic, partition }) => `${topic}/${partition}` },
      { title: 'behind', of: ({ behind }) => groupDigits(behind), align: 'right' },
      { title: 'cursor', of: ({ cursor }) => groupDigits(cursor), align: 'right' },
      { title: 'state', of: stateOf },
    ],
    shown,
    ({ stuck }) => (stuck ? 'bad' : undefined),
  );
  return [{ text: '' }, ...table, ...more(lagging.length - shown.length)];
}

const stateOf = ({ stuck, stillMs, isHeld }: LaggingPartition): string =>
  (stuck ? `STUCK for ${Math.floor(stillMs / 1000)} s` : 'lagging') + (isHeld ? ', open transaction' : '');

function deadLetterLines({ deadLetters }: TopView): Line[] {
  if (deadLetters === undefined) return [];
  const { letters, isCut } = deadLetters;
  if (letters.length === 0) return [{ text: '' }, { text: 'No dead letters.' }];
  const reasons = [...reasonsOf(deadLetters)].slice(0, REASONS_SHOWN);
  const told = reasons.map(([reason, of]) => `${groupDigits(of)} ${printable(reason)}`).join(', ');
  const newest = instant(letters[0]!.timestamp);
  return [
    { text: '' },
    {
      text: `Dead letters: ${groupDigits(letters.length)}${isCut ? ' or more' : ''} (${told}), newest ${newest}`,
      tone: 'careful',
    },
  ];
}

/** The most frequent first. */
function reasonsOf({ letters }: RecentDeadLetters): Map<string, number> {
  const reasons = new Map<string, number>();
  for (const { reason } of letters) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return new Map([...reasons].sort(([, a], [, b]) => b - a));
}

function spendLines({ spend, month, currency }: TopView): Line[] {
  if (spend === undefined)
    return [{ text: `${month}: the cost of the projects is not known yet.`, tone: 'faint' }];
  if (spend.projects.length === 0) return [{ text: `${month}: no project has usage.` }];
  const shown = spend.projects.slice(0, PROJECTS_SHOWN);
  const table = tableLines(
    [
      { title: `project, ${month}`, of: ({ project }) => project },
      { title: 'plan', of: ({ plan }) => plan },
      { title: `so far, ${currency}`, of: ({ total }) => groupDigits(total), align: 'right' },
    ],
    shown,
  );
  return [...table, ...more(spend.priced - shown.length, spend.isCut)];
}

const more = (left: number, isCut = false): Line[] =>
  left <= 0 ? [] : [{ text: `... and ${groupDigits(left)}${isCut ? ' or more' : ''} more`, tone: 'faint' }];

/** `formatTable` replaces characters that are not printable. */
function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  toneOf: (row: Row) => Line['tone'] = () => undefined,
): Line[] {
  const [titles = '', , ...lines] = formatTable(columns, rows).trimEnd().split('\n');
  return [
    { text: titles, tone: 'faint' },
    ...lines.map((text, at): Line => ({ text, tone: toneOf(rows[at]!) })),
  ];
}

/** The same, as one document for scripts. */
export function topDocument(view: TopView): unknown {
  const { position, deadLetters, spend } = view;
  return {
    at: instant(view.nowMs),
    month: view.month,
    currency: view.currency,
    freshness: position && {
      asOf: instant(position.atMs),
      behind: position.behind,
      perSecond: position.perSecond,
    },
    topics: position?.topics,
    lagging: laggingOf(view),
    deadLetters: deadLetters && {
      count: deadLetters.letters.length,
      isCut: deadLetters.isCut,
      byReason: Object.fromEntries(reasonsOf(deadLetters)),
      newestAt: deadLetters.letters[0] === undefined ? null : instant(deadLetters.letters[0].timestamp),
    },
    spend: spend && { projects: spend.projects, priced: spend.priced, isCut: spend.isCut },
  };
}
