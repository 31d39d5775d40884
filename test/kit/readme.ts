import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monthOf, previousMonth } from '../../src/rating/month';

const ROOT = join(__dirname, '../..');
/** The month of the README's commands and of the sample. */
const README_MONTH = '2026-10';

/** A run uses a month that is surely over, and not too old. */
export const runMonth = previousMonth(previousMonth(monthOf(new Date().toISOString())));
export const inRunMonth = (text: string): string => text.replaceAll(README_MONTH, runMonth);

const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The file of events that the README publishes, by its path from the project's folder. */
export const SAMPLE = 'examples/usage.ndjson';
export const sampleEvents = (): string => inRunMonth(textOf(SAMPLE));

/** The event that the README explains. */
export function readmeEvent(): unknown {
  const [, json] = /^```json\n([\s\S]*?)^```$/m.exec(textOf('README.md'))!;
  return JSON.parse(inRunMonth(json!));
}

/** The commands under a heading of the README that run Tallyman, as they are typed in a clone. */
export function readmeCommands(): string[] {
  const [, block] = /^## Use it\n+```sh\n([\s\S]*?)^```$/m.exec(textOf('README.md'))!;
  return linesOf(inRunMonth(block!)).filter((line) => line.startsWith('npm '));
}

/** The command that reads a total from Redis. */
export function readmeRedisCommand(): string {
  const [, line] = /^```sh\n(redis-cli .*)\n```$/m.exec(textOf('README.md'))!;
  return inRunMonth(line!);
}

/** The commands of a block, without comments. */
export const linesOf = (block: string): string[] =>
  block
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, ''))
    .filter((line) => line !== '');
