import type { CaseResult } from './fault-case';

const TITLES = ['suite', 'case', 'kills', 'events', 'seconds', 'differences', 'result'];

/** The results of a run as a table in Markdown, which reads well on a terminal too. */
export function resultsTable(results: readonly CaseResult[]): string {
  const sum = (of: (result: CaseResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const rows = [...results]
    .sort((a, b) => (a.suite < b.suite ? -1 : a.suite > b.suite ? 1 : 0))
    .map(({ suite, name, kills, events, seconds, differences, passed }) => [
      ...[suite, name, digits(kills), digits(events), digits(seconds)],
      differences === undefined ? '-' : digits(differences),
      passed ? 'passed' : 'FAILED',
    ]);
  const failed = results.filter(({ passed }) => !passed).length;
  rows.push([
    ...['', 'all', digits(sum(({ kills }) => kills)), digits(sum(({ events }) => events))],
    ...[digits(sum(({ seconds }) => seconds)), digits(sum(({ differences }) => differences ?? 0))],
    failed === 0 ? 'passed' : `${failed} FAILED`,
  ]);
  const widths = TITLES.map((title, column) =>
    Math.max(...[title, ...rows.map((row) => row[column]!)].map(({ length }) => length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(' | ')} |`;
  const rule = widths.map((width, column) =>
    isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  );
  return [line(TITLES), `| ${rule.join(' | ')} |`, ...rows.map(line), ''].join('\n');
}

const isNumber = (column: number): boolean => column >= 2 && column <= 5;

const digits = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
