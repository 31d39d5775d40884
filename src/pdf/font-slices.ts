import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TallymanError } from '../lib/errors';

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

const FULL_WIDTH = '\\u3000-\\u303f\\uff00-\\uffef';
/**
 * The characters for which a family is installed. All families but the first are optional, and
 * `npm install --omit=optional` leaves them out.
 */
const SCRIPTS: Readonly<Record<Exclude<Family, 'noto-sans'>, RegExp>> = {
  'noto-sans-arabic': /\p{scx=Arabic}/u,
  'noto-sans-hebrew': /\p{scx=Hebrew}/u,
  'noto-sans-thai': /\p{scx=Thai}/u,
  'noto-sans-jp': new RegExp(`[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}${FULL_WIDTH}]`, 'u'),
  'noto-sans-kr': new RegExp(`[\\p{scx=Han}\\p{scx=Hangul}${FULL_WIDTH}]`, 'u'),
  'noto-sans-sc': new RegExp(`[\\p{scx=Han}\\p{scx=Bopomofo}${FULL_WIDTH}]`, 'u'),
};

/** Replaces a character that is in no family. It is in the first family. */
export const REPLACEMENT = '\ufffd';

const HAN = ['noto-sans-jp', 'noto-sans-kr', 'noto-sans-sc'];
const KANA = /[\u3040-\u30ff]/;
const HANGUL = /[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]/;

/** undefined for a family that is not installed. */
let slicesOfFamilies: ReadonlyMap<Family, readonly FontSlice[] | undefined> | undefined;

/** @throws TallymanError `FONT_MISSING` */
export type SliceFinder = (character: string) => FontSlice | undefined;

/**
 * Finds the slice of each character of a document; undefined if no family has the character. The
 * choice is made for the whole document, because a name must not change its typeface between lines.
 * If there is kana, all Han is Japanese; if there is hangul, Korean. Another installed family never
 * stands in for one that is missing, because an invoice is the same bytes everywhere.
 */
export function sliceFinder(text: string): SliceFinder {
  const slices = (slicesOfFamilies ??= new Map(FAMILIES.map((family) => [family, slicesOf(family)])));
  const han: Family = KANA.test(text) ? 'noto-sans-jp' : HANGUL.test(text) ? 'noto-sans-kr' : 'noto-sans-sc';
  const order = [...FAMILIES.filter((family) => !HAN.includes(family)), han, ...FAMILIES];
  const find = (character: string): FontSlice | undefined => {
    const codePoint = character.codePointAt(0)!;
    for (const family of order) {
      const ofFamily = slices.get(family);
      const slice = ofFamily?.find((one) => one.holds(codePoint));
      if (slice !== undefined) return slice;
      if (ofFamily === undefined && family !== 'noto-sans' && SCRIPTS[family].test(character))
        throw fontMissing(family, character);
    }
    return undefined;
  };
  const found = new Map<string, FontSlice | undefined>();
  return (character) => {
    if (!found.has(character)) found.set(character, find(character));
    return found.get(character);
  };
}

const packageOf = (family: Family): string => `@fontsource-variable/${family}`;

function fontMissing(family: Family, character: string): TallymanError {
  return new TallymanError(
    'FONT_MISSING',
    `The invoice contains "${character}", and its font is not installed: run \`npm install ${packageOf(family)}\`, or install Tallyman without --omit=optional.`,
    { package: packageOf(family) },
  );
}

function slicesOf(family: Family): FontSlice[] | undefined {
  const folder = folderOf(family);
  if (folder === undefined) return undefined;
  const ranges = JSON.parse(readFileSync(join(folder, 'unicode.json'), 'utf8')) as Record<string, string>;
  return Object.entries(ranges).map(([name, list]) => ({
    family,
    file: join(folder, 'files', `${family}-${name.replace(/[[\]]/g, '')}-wght-normal.woff2`),
    holds: holderOf(list),
  }));
}

function folderOf(family: Family): string | undefined {
  try {
    return dirname(require.resolve(`${packageOf(family)}/unicode.json`));
  } catch {
    return undefined;
  }
}

/** Makes a predicate of `U+0000-00FF,U+0131`. */
function holderOf(list: string): (codePoint: number) => boolean {
  const ranges = list.split(',').map((range) => {
    const [first = '', last = first] = range.replace('U+', '').split('-');
    return [parseInt(first, 16), parseInt(last, 16)] as const;
  });
  return (codePoint) => ranges.some(([first, last]) => codePoint >= first && codePoint <= last);
}
