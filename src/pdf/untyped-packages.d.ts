// The packages of this folder that bring no types. Each declares only what is used here.

declare module 'subset-font' {
  /** A font of the characters of `text` alone, at one point of its axes. */
  function subsetFont(
    font: Buffer,
    text: string,
    options: { targetFormat: 'sfnt'; variationAxes: Readonly<Record<string, number>> },
  ): Promise<Buffer>;
  export = subsetFont;
}

declare module 'linebreak' {
  class LineBreaker {
    constructor(text: string);
    /** The next place where a line may end; null at the end of the text. */
    nextBreak(): { readonly position: number } | null;
  }
  export = LineBreaker;
}
