import { readFileSync } from 'node:fs';
import LineBreaker from 'linebreak';
import subsetFont from 'subset-font';
import { REPLACEMENT, sliceFinder, type FontSlice, type SliceFinder } from './font-slices';
import { textRuns, type TextRun } from './text-runs';

export type Weight = 'regular' | 'bold';

export interface TextStyle {
  readonly weight?: Weight;
  readonly sizePt?: number;
  readonly colour?: string;
}

/** Writes text of any script onto a PDF. Positions are points from the page's top left corner. */
export interface Typesetter {
  widthOf(text: string, style?: TextStyle): number;
  /**
   * The text in lines that are at most `widthPt` wide, broken where its script allows, or anywhere
   * if necessary.
   */
  wrap(text: string, widthPt: number, style?: TextStyle): string[];
  /**
   * Draws one line with its top at `y`. `x` is its left end, or its right end if `align` is
   * `right`.
   */
  draw(line: string, x: number, y: number, style?: TextStyle, align?: 'left' | 'right'): void;
}

const DEFAULT_SIZE_PT = 9;
/** The distance from a line's top to its baseline, relative to the font size. */
const ASCENT = 1.07;
const AXIS: Readonly<Record<Weight, number>> = { regular: 400, bold: 650 };
/**
 * With this set, pdfkit passes a whole run to the shaper. Word by word, right-to-left scripts would
 * be in the wrong order.
 */
const WHOLE_RUN: PDFKit.Mixins.OpenTypeFeatures[] = ['kern'];
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Embeds exactly the characters of `text`, in both weights.
 *
 * @param text everything that will be written
 */
export async function createTypesetter(doc: PDFKit.PDFDocument, text: string): Promise<Typesetter> {
  const find = sliceFinder(text);
  await embedFonts(doc, text, find);

  const use = (slice: FontSlice, { weight = 'regular', sizePt = DEFAULT_SIZE_PT }: TextStyle): void => {
    doc.font(fontName(slice, weight)).fontSize(sizePt);
  };
  // Shaping is nearly all of the work, and a text is measured before it is drawn.
  const measured = new Map<string, number>();
  const widthOfRun = ({ slice, text: run }: TextRun, style: TextStyle): number => {
    const key = `${fontName(slice, style.weight ?? 'regular')} ${style.sizePt ?? DEFAULT_SIZE_PT} ${run}`;
    let width = measured.get(key);
    if (width === undefined) {
      use(slice, style);
      measured.set(key, (width = doc.widthOfString(run, { features: WHOLE_RUN })));
    }
    return width;
  };
  const widthOf = (line: string, style: TextStyle = {}): number =>
    textRuns(clean(line), find).reduce((width, run) => width + widthOfRun(run, style), 0);

  return {
    widthOf,
    wrap(whole, widthPt, style) {
      const only = clean(whole).trimEnd();
      if (widthOf(only, style) <= widthPt) return [only];
      const lines: string[] = [];
      let line = '';
      for (const piece of piecesOf(clean(whole), (part) => widthOf(part, style) <= widthPt)) {
        if (line !== '' && widthOf((line + piece).trimEnd(), style) > widthPt) {
          lines.push(line.trimEnd());
          line = '';
        }
        line += piece;
      }
      return [...lines, line.trimEnd()];
    },
    draw(line, x, y, style = {}, align = 'left') {
      let left = align === 'right' ? x - widthOf(line, style) : x;
      const ascent = ASCENT * (style.sizePt ?? DEFAULT_SIZE_PT); // One baseline for all fonts, or they would be at different heights.
      for (const run of textRuns(clean(line), find)) {
        use(run.slice, style);
        doc.fillColor(style.colour ?? '#111827').text(run.text, left, y + ascent, {
          lineBreak: false,
          features: WHOLE_RUN,
          baseline: 'alphabetic',
        });
        left += widthOfRun(run, style);
      }
    },
  };
}

async function embedFonts(doc: PDFKit.PDFDocument, text: string, find: SliceFinder): Promise<void> {
  const needed = new Map<FontSlice, string>();
  for (const line of [REPLACEMENT, ...text.split('\n')]) {
    for (const { slice, text: part } of textRuns(clean(line), find)) {
      needed.set(slice, (needed.get(slice) ?? '') + part);
    }
  }
  for (const [slice, characters] of needed) {
    const font = readFileSync(slice.file);
    for (const weight of ['regular', 'bold'] as const) {
      const options = { targetFormat: 'sfnt', variationAxes: { wght: AXIS[weight] } } as const;
      doc.registerFont(fontName(slice, weight), await subsetFont(font, characters, options));
    }
  }
}

const fontName = (slice: FontSlice, weight: Weight): string => `${slice.file} ${weight}`;

/**
 * Names come from people and producers. A line break or a tab in one must not move the text after
 * it.
 */
function clean(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
}

/** The parts of a text that may be on a line of their own, each short enough for one line. */
function* piecesOf(text: string, fits: (part: string) => boolean): Generator<string> {
  const breaker = new LineBreaker(text);
  let from = 0;
  for (let next = breaker.nextBreak(); next !== null; next = breaker.nextBreak()) {
    const piece = text.slice(from, next.position);
    from = next.position;
    if (fits(piece.trimEnd())) yield piece;
    else for (const { segment } of graphemes.segment(piece)) yield segment;
  }
}
