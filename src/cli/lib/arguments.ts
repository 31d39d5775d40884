import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../../lib/text/duration-text';
import { withOutput } from './list-output';
import { isMonth } from '../../rating/month';

/** Reads a month argument: `YYYY-MM`. */
export function monthArgument(text: string): string {
  if (!isMonth(text)) {
    throw new InvalidArgumentError(`"${text}" is not a month: write YYYY-MM, e.g. 2026-10.`);
  }
  return text;
}

/** Reads a day argument: `YYYY-MM-DD`, a day that exists. */
export function dayArgument(text: string): string {
  const parsed = new Date(`${text}T00:00:00Z`);
  if (
    !/^\d{4}-\d{2}-\d{2}$/.test(text) ||
    Number.isNaN(parsed.getTime()) ||
    !parsed.toISOString().startsWith(text)
  ) {
    throw new InvalidArgumentError(`"${text}" is not a day: write YYYY-MM-DD, e.g. 2026-10-01.`);
  }
  return text;
}

/** Reads a project id by the rule for `subject` in docs/events.md. */
export function projectArgument(text: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/.test(text)) {
    throw new InvalidArgumentError(
      `"${text}" is not a project id: use letters, digits, _ - . (not first), at most 128.`,
    );
  }
  return text;
}

export function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a positive integer.`);
  return Number(text);
}

/** Reads a time as milliseconds since the epoch. */
export function timeArgument(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new InvalidArgumentError(`"${text}" is not a time: write e.g. 2026-12-01T02:00:00Z.`);
  return ms;
}

/** Reads a duration such as 30s or 2d, as milliseconds. */
export function durationArgument(text: string): number {
  const spanMs = parseDuration(text);
  if (spanMs === undefined)
    throw new InvalidArgumentError(`"${text}" is not a duration: write e.g. 30s, 90m, 1h or 2d.`);
  return spanMs;
}

const INTERVAL_MIN_MS = 100;

/** A shorter one, such as 0s, would keep Kafka and Redis busy with nothing else. */
export function intervalArgument(text: string): number {
  const spanMs = durationArgument(text);
  if (spanMs < INTERVAL_MIN_MS)
    throw new InvalidArgumentError(`"${text}" is too short: write ${INTERVAL_MIN_MS}ms or more.`);
  return spanMs;
}

/** An option that takes a duration. Its help shows the default as a person would write it: `1h`. */
export function durationOption(
  flags: string,
  description: string,
  fallback: string,
  parse = durationArgument,
): Option {
  return new Option(flags, description).argParser(parse).default(parse(fallback), fallback);
}

/** A verb that reads one month of a project. */
export function projectMonthVerb(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('<project>', 'project id', projectArgument)
    .option('--month <month>', 'YYYY-MM; the current month by default', monthArgument);
}

/** A verb that lists documents, all or those of a project or a month. */
export function listVerb(description: string): Command {
  return withOutput(
    new Command('list')
      .description(description)
      .option('--project <project>', 'project id', projectArgument)
      .option('--month <month>', 'YYYY-MM', monthArgument),
  );
}
