import { toned, type Tone } from '../output';

/** A line without its color, because it is cut to the terminal's width before it is painted. */
export interface Line {
  readonly text: string;
  readonly tone?: Tone | undefined;
}

export interface Screen {
  draw(lines: readonly Line[]): void;
  /** Shows the cursor again. */
  close(): void;
}

const CURSOR_HIDE = '\u001b[?25l';
const CURSOR_SHOW = '\u001b[?25h';
const CLEAR = '\u001b[2J';
const HOME = '\u001b[H';
const CLEAR_TO_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** Redraws a terminal in place. Each line is written over the old one, so nothing flickers. */
export function openScreen(terminal: NodeJS.WriteStream): Screen {
  const showCursor = (): void => void terminal.write(CURSOR_SHOW);
  // A second Ctrl-C ends the process at once, and the shell needs its cursor then, too.
  process.once('exit', showCursor);
  terminal.write(CURSOR_HIDE + CLEAR);
  return {
    draw(lines) {
      // The last row stays free, because writing to its end would scroll.
      const shown = lines.slice(0, Math.max(1, terminal.rows - 1));
      const painted = shown.map(({ text, tone }) => toned(tone, cutTo(text, terminal.columns), terminal));
      terminal.write(HOME + painted.map((line) => `${line}${CLEAR_TO_LINE_END}\n`).join('') + CLEAR_BELOW);
    },
    close() {
      process.off('exit', showCursor);
      showCursor();
    },
  };
}

/** Cuts by code points, so that no character is halved. */
export function cutTo(text: string, columns: number): string {
  const characters = Array.from(text);
  return characters.length <= columns ? text : `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`;
}
