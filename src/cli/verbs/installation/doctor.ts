import { Command } from 'commander';
import { withContext } from '../../../installation/context';
import type { Finding } from '../../../lib/finding';
import { examine } from '../../../ops/doctor/examine';
import { printJson, printLine, toned } from '../../lib/output';

export function verb(): Command {
  return new Command('doctor')
    .description('Check every setting that exactness depends on. Exits with 1 if usage is in danger.')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman doctor
  tallyman doctor --json | jq '.findings[].remedy'`,
    )
    .action(async (options: { json?: true }) => {
      const findings = await withContext(examine, { onlyReads: true });
      if (options.json) printJson({ findings });
      else printFindings(findings);
      if (findings.some(({ level }) => level === 'error')) process.exitCode = 1;
    });
}

function printFindings(findings: readonly Finding[]): void {
  if (findings.length === 0) {
    printLine('No problems found.');
    return;
  }
  for (const { level, subject, problem, remedy } of findings) {
    const mark = level === 'error' ? toned('bad', 'ERROR  ') : toned('careful', 'warning');
    printLine(`${mark}  ${subject}: ${problem}`);
    printLine(`         -> ${remedy}`);
  }
}
