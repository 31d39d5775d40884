import { isUtf8 } from 'node:buffer';

/** A line of a file as its bytes, without its line end. */
export interface ByteLine {
  /** From 1. */
  readonly number: number;
  /** Only the beginning if the line is longer than the limit. */
  readonly bytes: Buffer;
  readonly length: number;
}

const LF = 0x0a;
const CR = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Splits bytes into lines, at LF or CRLF, and changes none of them. A byte order mark at the
 * beginning belongs to the file and to no line.
 *
 * @param lengthMax how much of a longer line is kept in memory
 */
export async function* byteLines(
  chunks: AsyncIterable<Buffer>,
  lengthMax: number,
): AsyncGenerator<ByteLine, void, undefined> {
  let number = 1;
  let parts: Buffer[] = [];
  let length = 0;
  let kept = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (kept > lengthMax) return;
    parts.push(part);
    kept += part.length;
  };
  const endLine = (): ByteLine => {
    let bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    if (bytes.length === length && bytes.at(-1) === CR) {
      bytes = bytes.subarray(0, -1);
      length -= 1;
    }
    if (number === 1 && startsWithByteOrderMark(bytes)) {
      bytes = bytes.subarray(BYTE_ORDER_MARK.length);
      length -= BYTE_ORDER_MARK.length;
    }
    const line = { number, bytes, length };
    number += 1;
    parts = [];
    length = kept = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      add(chunk.subarray(start, end));
      yield endLine();
      start = end + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (length > 0) yield endLine();
}

export const startsWithByteOrderMark = (bytes: Buffer): boolean =>
  bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);

/** `is not valid UTF-8 (byte E9 at position 8 of the line): ...`; undefined for a valid line. */
export function utf8Problem(line: Buffer): string | undefined {
  if (isUtf8(line)) return undefined;
  let at = 0;
  // A character has at most four bytes, so if four bytes are not one, the first byte is wrong.
  for (let end = 1; end <= line.length && end - at <= 4; end += 1)
    if (isUtf8(line.subarray(at, end))) at = end;
  const byte = line[at]!.toString(16).toUpperCase().padStart(2, '0');
  return `is not valid UTF-8 (byte ${byte} at position ${at + 1} of the line): save the file as UTF-8`;
}

/** A line of a text file that is not UTF-8. */
export class NotUtf8Error extends Error {
  constructor(
    readonly line: number,
    readonly problem: string,
  ) {
    super(`line ${line} ${problem}`);
  }
}

/**
 * Reads bytes as UTF-8 text, without a byte order mark. Node's own decoding would replace invalid
 * bytes by U+FFFD, and `Müller` in Latin-1 would become another name.
 *
 * @throws NotUtf8Error at the first line that is not UTF-8
 */
export async function* utf8Text(chunks: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let line = 1;
  let rest = Buffer.alloc(0);
  let isFirst = true;
  const decode = (bytes: Buffer): string => {
    if (!isUtf8(bytes)) throw notUtf8(bytes, line);
    const text = bytes.toString('utf8');
    const start = isFirst && text.startsWith('\ufeff') ? 1 : 0;
    isFirst &&= bytes.length === 0;
    return text.slice(start);
  };
  for await (const chunk of chunks) {
    // Cutting at a line end is safe, because no character contains that byte.
    const end = chunk.lastIndexOf(LF) + 1;
    const whole = Buffer.concat([rest, chunk.subarray(0, end)]);
    if (end === 0) {
      rest = Buffer.concat([rest, chunk]);
      continue;
    }
    rest = Buffer.from(chunk.subarray(end));
    yield decode(whole);
    for (let at = whole.indexOf(LF); at >= 0; at = whole.indexOf(LF, at + 1)) line += 1;
  }
  if (rest.length > 0) yield decode(rest);
}

function notUtf8(bytes: Buffer, firstLine: number): NotUtf8Error {
  let line = firstLine;
  for (let start = 0; start <= bytes.length; line += 1) {
    const found = bytes.indexOf(LF, start);
    const end = found < 0 ? bytes.length : found;
    const problem = utf8Problem(bytes.subarray(start, end));
    if (problem !== undefined) return new NotUtf8Error(line, problem);
    start = end + 1;
  }
  return new NotUtf8Error(firstLine, 'is not valid UTF-8');
}
