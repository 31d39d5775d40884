import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Fields = Readonly<Record<string, unknown>>;

/** What a session does, in the words of Python's livekit-agents. */
export type AgentStep =
  | { readonly totals: readonly Fields[] }
  | { readonly metrics: Fields }
  | { readonly recognized: Fields }
  | {
      readonly streamMs: number;
      readonly stt?: number;
      readonly language?: string;
      readonly isLeftOpen?: boolean;
    };

const FOLDER = join(__dirname, '../fixtures/livekit/agents');
const linesOf = <T>(file: string): T[] =>
  readFileSync(join(FOLDER, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

/** What livekit-agents 1.8.9 emitted in one session of two replies. */
export const recordedTotals = linesOf<Fields[]>('session_usage_updated.ndjson').map((totals) => ({ totals }));
export const recordedMetrics = linesOf<Fields>('metrics_collected.ndjson').map((metrics) => ({ metrics }));

/**
 * The same step as Node's @livekit/agents 1.9.0 reports it: in milliseconds, with sums of zero left
 * out.
 */
export function inNodesWords(step: AgentStep): object {
  if ('totals' in step) return { totals: step.totals.map((usage) => withoutZeros(camelCased(usage))) };
  if ('metrics' in step) return { metrics: camelCased(step.metrics) };
  return 'recognized' in step ? { recognized: camelCased(step.recognized) } : step;
}

const SECONDS = /^(audio_duration|duration|session_duration|ttft|ttfb|acquire_time)$/;

function camelCased(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      if (SECONDS.test(name)) return [`${camel}Ms`, Math.round((value as number) * 1_000)];
      const isNested = typeof value === 'object' && value !== null;
      return [camel, isNested ? camelCased(value as Fields) : value];
    }),
  );
}

const withoutZeros = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== 0));
