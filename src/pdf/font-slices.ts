import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A font file with a part of a family's characters. Font packages for the web are split into such
 * files.
 */
export interface FontSlice {
  readonly family: string;
  readonly file: string;
  holds(codePoint: number): boolean;
}

/**
 * One family covers Latin, Greek, Cyrillic and Devanagari. Han is in three, drawn as each country
 * writes it.
 */
const FAMILIES = [
  'noto-sans',
  'noto-sans-arabic',
  'noto-sans-hebrew',
  'noto-sans-thai',
  'noto-sans-jp',
  'noto-sans-kr',
  'noto-sans-sc',
] as const;
type Family = (typeof FAMILIES)[number];

/** Replaces a character that is in no family. It is in the first family. */
export const REPLACEMENT = '\ufffd';

const HAN = ['noto-sans-jp', 'noto-sans-kr', 'noto-sans-sc'];
const KANA = /[\u3040-\u30ff]/;
const HANGUL = /[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]/;

let slicesOfFamilies: ReadonlyMap<Family, readonly FontSlice[]> | undefined;

export type SliceFinder = (character: string) => FontSlice | undefined;

/**
 * Finds the slice of each character of a document; undefined if no family has the character. The
 * choice is made for the whole document, because a name must not change its typeface between lines.
 * If there is kana, all Han is Japanese; if there is hangul, Korean.
 */
export function sliceFinder(text: string): SliceFinder {
  const slices = (slicesOfFamilies ??= new Map(FAMILIES.map((family) => [family, slicesOf(family)])));
  const han: Family = KANA.test(text) ? 'noto-sans-jp' : HANGUL.test(text) ? 'noto-sans-kr' : 'noto-sans-sc';
  const order = [...FAMILIES.filter((family) => !HAN.includes(family)), han, ...FAMILIES];
  const find = (codePoint: number): FontSlice | undefined => {
    for (const family of order) {
      const slice = slices.get(family)!.find((one) => one.holds(codePoint));
      if (slice !== undefined) return slice;
    }
    return undefined;
  };
  const found = new Map<string, FontSlice | undefined>();
  return (character) => {
    if (!found.has(character)) found.set(character, find(character.codePointAt(0)!));
    return found.get(character);
  };
}

function slicesOf(family: Family): FontSlice[] {
  const folder = dirname(require.resolve(`@fontsource-variable/${family}/unicode.json`));
  const ranges = JSON.parse(readFileSync(join(folder, 'unicode.json'), 'utf8')) as Record<string, string>;
  return Object.entries(ranges).map(([name, list]) => ({
    family,
    file: join(folder, 'files', `${family}-${name.replace(/[[\]]/g, '')}-wght-normal.woff2`),
    holds: holderOf(list),
  }));
}

/** Makes a predicate of `U+0000-00FF,U+0131`. */
function holderOf(list: string): (codePoint: number) => boolean {
  const ranges = list.split(',').map((range) => {
    const [first = '', last = first] = range.replace('U+', '').split('-');
    return [parseInt(first, 16), parseInt(last, 16)] as const;
  });
  return (codePoint) => ranges.some(([first, last]) => codePoint >= first && codePoint <= last);
}
