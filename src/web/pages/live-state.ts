import { createHash } from 'node:crypto';
import type { Html, LiveNumber, LivePart } from './html';

/** What a tab shows of a page's live parts. */
export interface LiveState {
  /** Equal for equal parts. */
  readonly id: string;
  readonly parts: readonly LivePart[];
}

/** What a tab must change: single numbers, and parts that have another shape. */
export interface LiveChanges {
  readonly numbers: Readonly<Record<string, string>>;
  readonly parts: Readonly<Record<string, string>>;
}

export function liveStateOf({ parts }: Html): LiveState {
  const hash = createHash('sha256');
  for (const { id, html } of parts) hash.update(`${id}\n${html}\n`);
  return { id: hash.digest('base64url').slice(0, 16), parts };
}

/**
 * @param before undefined if it is not known what the tab shows
 * @returns undefined if nothing has changed
 */
export function changesBetween(before: LiveState | undefined, after: LiveState): LiveChanges | undefined {
  if (before?.id === after.id) return undefined;
  const numbers: LiveNumber[] = [];
  const parts: [string, string][] = [];
  for (const part of after.parts) {
    const known = before?.parts.find(({ id }) => id === part.id);
    if (known?.shape !== part.shape) parts.push([part.id, part.html]);
    else numbers.push(...part.numbers.filter(([, html], i) => known.numbers[i]![1] !== html));
  }
  return { numbers: Object.fromEntries(numbers), parts: Object.fromEntries(parts) };
}

export interface LiveStates {
  remember(state: LiveState): void;
  find(id: string): LiveState | undefined;
}

/** A tab that was loaded or hidden a while ago gets all parts again. */
const REMEMBERED_MAX = 64;

/** The states that were sent last, so that a tab gets only what has changed since. */
export function createLiveStates(): LiveStates {
  const states = new Map<string, LiveState>();
  return {
    remember(state) {
      states.delete(state.id);
      states.set(state.id, state);
      if (states.size > REMEMBERED_MAX) states.delete(states.keys().next().value!);
    },
    find: (id) => states.get(id),
  };
}
