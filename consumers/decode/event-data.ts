import { contentModeOf } from './content-mode';
import type { RawMessage } from './decode-event';

/** The data of a good event as parsed JSON, whole: fields that nobody reads included. */
export function dataOf({ value, headers }: Pick<RawMessage, 'value' | 'headers'>): unknown {
  const document = JSON.parse(value?.toString('utf8') ?? 'null') as unknown;
  if (contentModeOf(headers) === 'binary') return document;
  return (document as { data: unknown }).data;
}
