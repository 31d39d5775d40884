import bidiFactory from 'bidi-js';
import { REPLACEMENT, type FontSlice, type SliceFinder } from './font-slices';

/** A piece of a line in one font and one direction. */
export interface TextRun {
  readonly text: string;
  readonly slice: FontSlice;
}

const bidi = bidiFactory();

/** pdfkit's shaper reverses these scripts and mirrors their brackets. */
const SHAPED_RIGHT_TO_LEFT = ['noto-sans-arabic', 'noto-sans-hebrew'];

/** Whatever has a direction from right to left, or changes one. Most lines have nothing of it. */
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Splits a line into runs, in their order on the page from left to right (Unicode's UAX 9).
 */
export function textRuns(line: string, find: SliceFinder): TextRun[] {
  const levels = RIGHT_TO_LEFT.test(line) ? bidi.getEmbeddingLevels(line, 'ltr').levels : undefined;
  const runs: { text: string; slice: FontSlice; level: number }[] = [];
  let at = 0;
  for (const character of line) {
    const level = levels?.[at] ?? 0;
    at += character.length;
    const found = find(character);
    const slice = found ?? find(REPLACEMENT)!;
    const shown = found ? character : REPLACEMENT;
    const last = runs.at(-1);
    if (last?.slice === slice && last.level === level) last.text += shown;
    else runs.push({ text: shown, slice, level });
  }
  return inVisualOrder(runs).map((run) => ({
    slice: run.slice,
    text: isTurned(run) ? turned(run.text) : run.text,
  }));
}

/** Signs between right-to-left words that are drawn by another family. */
function isTurned({ level, slice }: { level: number; slice: FontSlice }): boolean {
  return level % 2 === 1 && !SHAPED_RIGHT_TO_LEFT.includes(slice.family);
}

function turned(text: string): string {
  return Array.from(text, (character) => bidi.getMirroredCharacter(character) ?? character)
    .reverse()
    .join('');
}

/** From the highest level down, reverses what is at that level or above: the standard's rule L2. */
function inVisualOrder<Run extends { readonly level: number }>(runs: readonly Run[]): Run[] {
  const ordered = [...runs];
  for (let level = Math.max(0, ...runs.map((run) => run.level)); level > 0; level -= 1) {
    for (let from = 0; from < ordered.length; from += 1) {
      let to = from;
      while (to < ordered.length && ordered[to]!.level >= level) to += 1;
      ordered.splice(from, to - from, ...ordered.slice(from, to).reverse());
      from = to;
    }
  }
  return ordered;
}
