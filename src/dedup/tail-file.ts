import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** The ids of a range of offsets, which are in one window. */
export interface IdRange {
  readonly window: string;
  readonly lane: string;
  readonly from: number;
  /** The offset after the last one. */
  readonly next: number;
  /** Fingerprints: lower half, upper half, lower half ... */
  readonly halves: Uint32Array;
}

/** The length of what follows, and its checksum. */
const HEAD_BYTES = 8;

/**
 * The latest ranges, one after the other in a file that only grows. It is not synced: what a crash
 * takes from its end is read from elsewhere.
 */
export class TailFile {
  private constructor(
    readonly path: string,
    private readonly file: number,
  ) {}

  static create(path: string, ranges: readonly IdRange[]): TailFile {
    const tail = new TailFile(path, openSync(path, 'wx'));
    for (const range of ranges) tail.append(range);
    return tail;
  }

  append({ window, lane, from, next, halves }: IdRange): void {
    const head = Buffer.from(`${JSON.stringify([window, lane, from, next])}\n`);
    const ids = Buffer.from(halves.buffer, halves.byteOffset, halves.byteLength);
    const bytes = Buffer.alloc(HEAD_BYTES + head.length + ids.length);
    head.copy(bytes, HEAD_BYTES);
    ids.copy(bytes, HEAD_BYTES + head.length);
    bytes.writeUInt32LE(head.length + ids.length);
    bytes.writeUInt32LE(crc32(bytes.subarray(HEAD_BYTES)), 4);
    for (let done = 0; done < bytes.length;) done += writeSync(this.file, bytes, done);
  }

  close(): void {
    closeSync(this.file);
  }
}

/** The ranges of a tail file, up to the first that is not whole. */
export function* readTail(path: string): Generator<IdRange> {
  const bytes = readFileSync(path);
  let at = 0;
  while (at + HEAD_BYTES <= bytes.length) {
    const record = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + bytes.readUInt32LE(at));
    if (record.length < bytes.readUInt32LE(at) || crc32(record) !== bytes.readUInt32LE(at + 4)) return;
    const headEnd = record.indexOf('\n');
    const [window, lane, from, next] = JSON.parse(record.toString('utf8', 0, headEnd)) as [
      ...[window: string, lane: string],
      ...[from: number, next: number],
    ];
    // A copy, because a Uint32Array must begin at a multiple of 4 bytes.
    const ids = new Uint8Array(record.subarray(headEnd + 1));
    yield { window, lane, from, next, halves: new Uint32Array(ids.buffer) };
    at += HEAD_BYTES + record.length;
  }
}
