const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;
/** Taken out, because a test looks up globals slowly, and this is called for every byte. */
const { imul } = Math;
/** A power of two. */
const KEPT_TEXTS = 16_384;
const KEPT_LENGTH_MAX = 64;
const kept = new Array<string>(KEPT_TEXTS).fill('');

/** 1 for each byte that stands for itself in a text of JSON. */
const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/**
 * Reads a text of printable ASCII. It ends before the first byte of another kind, or at `end`, and
 * has as many characters as bytes.
 *
 * @param repeats the text is expected again, and is then the same string
 */
export function readPlainText(bytes: Buffer, start: number, end: number, repeats: boolean): string {
  let at = start;
  let hash = 0;
  for (let byte = bytes[at]!; at < end && IS_PLAIN[byte] === 1; byte = bytes[at]!) {
    hash = (imul(hash, 31) + byte) | 0;
    at += 1;
  }
  if (!repeats || at - start > KEPT_LENGTH_MAX) return bytes.toString('latin1', start, at);
  const slot = (hash ^ (hash >>> 14)) & (KEPT_TEXTS - 1);
  const text = kept[slot]!;
  return isText(text, bytes, start, at) ? text : (kept[slot] = bytes.toString('latin1', start, at));
}

function isText(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = start; i < end; i += 1) if (bytes[i] !== text.charCodeAt(i - start)) return false;
  return true;
}
