import { Command } from 'commander';
import type { CsvColumn } from '../../../billing/invoice/csv-writer';
import { withContext } from '../../../installation/context';
import type { Finding } from '../../../lib/finding';
import { examine } from '../../../ops/doctor/examine';
import { printList, withOutput, type OutputOptions } from '../../lib/list-output';
import { printLine, toned } from '../../lib/output';

export function verb(): Command {
  return withOutput(
    new Command('doctor').description(
      'Check every setting that exactness depends on. Exits with 1 if usage is in danger.',
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  tallyman doctor
  tallyman doctor --json | jq '.findings[].remedy'`,
    )
    .action(async (options: OutputOptions) => {
      const findings = await withContext(examine, { onlyReads: true });
      await printList(options, {
        rows: findings,
        csv: CSV,
        document: () => ({ findings }),
        table: () => printFindings(findings),
      });
      if (findings.some(({ level }) => level === 'error')) process.exitCode = 1;
    });
}

const CSV: readonly CsvColumn<Finding>[] = [
  ['level', ({ level }) => level, 'exact'],
  ['subject', ({ subject }) => subject],
  ['problem', ({ problem }) => problem],
  ['remedy', ({ remedy }) => remedy],
];

/** Equal problems are printed once, with all that have them. */
function printFindings(findings: readonly Finding[]): void {
  if (findings.length === 0) {
    printLine('No problems found.');
    return;
  }
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const kind = `${finding.level} ${finding.problem}`;
    groups.set(kind, [...(groups.get(kind) ?? []), finding]);
  }
  for (const group of groups.values()) {
    const { level, problem } = group[0]!;
    const mark = level === 'error' ? toned('bad', 'ERROR  ') : toned('careful', 'warning');
    printLine(`${mark}  ${group.map(({ subject }) => subject).join(', ')}: ${problem}`);
    for (const remedy of new Set(group.map((finding) => finding.remedy))) printLine(`         -> ${remedy}`);
  }
}
