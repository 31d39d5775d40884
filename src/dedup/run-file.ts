import { randomInt, randomUUID } from 'node:crypto';
import { closeSync, openSync, read, readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { Filter } from './filter';

/*
 * A run: sorted fingerprints in a file that is written once.
 *
 *   blocks   4,096 bytes each: up to 511 fingerprints, how many they are, a checksum
 *   firsts   the first fingerprint of each block, and a checksum
 *   filter   and a checksum
 *
 * A checksum also covers the run's seed and the number of the block, so that a block of another run
 * or place is found.
 */

const BLOCK_BYTES = 4_096;
const IDS_PER_BLOCK = 511;
const ID_BYTES = 8;
const COUNT_AT = IDS_PER_BLOCK * ID_BYTES;
const CHECKSUM_AT = COUNT_AT + 4;
const CHECKSUM_BYTES = 4;

/** The index on the disk is not what was written. It has to be thrown away. */
export class DamagedIndexError extends Error {}

/** What a manifest has to say of a run. */
export interface RunName {
  readonly name: string;
  readonly count: number;
  /** How many ids its filter was made for. */
  readonly room: number;
  /** Random. See above. */
  readonly seed: number;
}

/** A run that is open for reading. */
export interface Run extends RunName {
  readonly file: number;
  readonly blocks: number;
  /** The first fingerprint of each block: lower half, upper half. */
  readonly firsts: Uint32Array;
  readonly filter: Filter;
}

const blocksOf = (count: number): number => Math.ceil(count / IDS_PER_BLOCK);
const checksum = (bytes: Buffer, seed: number, place: number): number => crc32(bytes, (seed + place) >>> 0);
const bytesOf = (words: Uint32Array): Buffer => Buffer.from(words.buffer, words.byteOffset, words.byteLength);

/**
 * Opens a run and reads what is held in memory of it.
 *
 * @throws DamagedIndexError; the errors of the file system
 */
export function openRun(directory: string, { name, count, room, seed }: RunName): Run {
  const file = openSync(join(directory, name), 'r');
  try {
    const blocks = blocksOf(count);
    let at = blocks * BLOCK_BYTES;
    const readWords = (words: Uint32Array, place: number): Uint32Array => {
      readWhole(file, bytesOf(words), at);
      const sum = Buffer.alloc(CHECKSUM_BYTES);
      readWhole(file, sum, at + words.byteLength);
      if (checksum(bytesOf(words), seed, blocks + place) !== sum.readUInt32LE())
        throw new DamagedIndexError(`${name} has a wrong checksum`);
      at += words.byteLength + CHECKSUM_BYTES;
      return words;
    };
    const firsts = readWords(new Uint32Array(blocks * 2), 0);
    const filter = new Filter(room);
    readWords(filter.words, 1);
    return { name, count, room, seed, file, blocks, firsts, filter };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function readWhole(file: number, into: Buffer, at: number): void {
  // A file of more than 2 GB takes several reads.
  for (let done = 0; done < into.length;) {
    const bytes = readSync(file, into, done, Math.min(into.length - done, 2 ** 30), at + done);
    if (bytes === 0) throw new DamagedIndexError('a run ends too early');
    done += bytes;
  }
}

/**
 * The block that would contain a fingerprint: the last one that begins at or before it; -1 for
 * none.
 */
export function blockOf({ firsts, blocks }: Run, low: number, high: number): number {
  let [from, to] = [0, blocks];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const firstHigh = firsts[middle * 2 + 1]!;
    if (firstHigh < high || (firstHigh === high && firsts[middle * 2]! <= low)) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

const readFile = promisify(read);

/** @throws DamagedIndexError */
export async function readBlocks(run: Run, first: number, count: number): Promise<Uint32Array[]> {
  const bytes = Buffer.from(new ArrayBuffer(count * BLOCK_BYTES));
  const { bytesRead } = await readFile(run.file, bytes, 0, bytes.length, first * BLOCK_BYTES);
  if (bytesRead < bytes.length) throw new DamagedIndexError(`${run.name} ends too early`);
  return Array.from({ length: count }, (_, i) =>
    idsOf(run, bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES), first + i),
  );
}

const block = Buffer.from(new ArrayBuffer(BLOCK_BYTES));

/** The same for one block. What it returns is valid until the next call. */
export function readBlockSync(run: Run, number: number): Uint32Array {
  readWhole(run.file, block, number * BLOCK_BYTES);
  return idsOf(run, block, number);
}

function idsOf({ name, seed }: RunName, bytes: Buffer, number: number): Uint32Array {
  const count = bytes.readUInt32LE(COUNT_AT);
  const isWhole = checksum(bytes.subarray(0, CHECKSUM_AT), seed, number) === bytes.readUInt32LE(CHECKSUM_AT);
  if (!isWhole || count > IDS_PER_BLOCK)
    throw new DamagedIndexError(`block ${number} of ${name} has a wrong checksum`);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, count * 2);
}

/** Whether sorted ids contain a fingerprint. */
export function isIn(ids: Uint32Array, low: number, high: number): boolean {
  let [from, to] = [0, ids.length / 2];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const otherHigh = ids[middle * 2 + 1]!;
    if (otherHigh < high || (otherHigh === high && ids[middle * 2]! < low)) from = middle + 1;
    else to = middle;
  }
  return ids[from * 2] === low && ids[from * 2 + 1] === high;
}

/** One write holds this many blocks. */
const BLOCKS_PER_WRITE = 128;

/** Writes a run from fingerprints that come in order. */
export class RunWriter {
  private readonly buffer = Buffer.from(new ArrayBuffer(BLOCKS_PER_WRITE * BLOCK_BYTES));
  private readonly words = new Uint32Array(this.buffer.buffer);
  private readonly filter: Filter;
  private readonly firsts: Uint32Array;
  private count = 0;
  private written = 0;
  private low: number | undefined;
  private high: number | undefined;

  private constructor(
    private readonly file: FileHandle,
    private readonly name: string,
    private readonly room: number,
    private readonly seed: number,
  ) {
    this.filter = new Filter(room);
    this.firsts = new Uint32Array(blocksOf(room) * 2);
  }

  /** @param room how many fingerprints may come */
  static async create(directory: string, room: number): Promise<RunWriter> {
    const name = `run-${randomUUID()}`;
    return new RunWriter(await open(join(directory, name), 'wx'), name, room, randomInt(2 ** 32));
  }

  /** Whether `flush` has to be called before the next `add`. */
  get isFull(): boolean {
    return this.count === (this.written + BLOCKS_PER_WRITE) * IDS_PER_BLOCK;
  }

  /** A fingerprint that equals the one before is left out. */
  add(low: number, high: number): void {
    if (low === this.low && high === this.high) return;
    this.low = low;
    this.high = high;
    const inBlock = this.count % IDS_PER_BLOCK;
    const number = (this.count - inBlock) / IDS_PER_BLOCK;
    const at = ((number - this.written) * BLOCK_BYTES) / 4 + inBlock * 2;
    this.words[at] = low;
    this.words[at + 1] = high;
    if (inBlock === 0) {
      this.firsts[number * 2] = low;
      this.firsts[number * 2 + 1] = high;
    }
    this.filter.add(low, high);
    this.count += 1;
  }

  /** Writes the blocks that were filled. */
  async flush(): Promise<void> {
    const blocks = blocksOf(this.count) - this.written;
    for (let i = 0; i < blocks; i += 1) {
      const bytes = this.buffer.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
      const ids = Math.min(IDS_PER_BLOCK, this.count - (this.written + i) * IDS_PER_BLOCK);
      bytes.fill(0, ids * ID_BYTES, COUNT_AT);
      bytes.writeUInt32LE(ids, COUNT_AT);
      bytes.writeUInt32LE(checksum(bytes.subarray(0, CHECKSUM_AT), this.seed, this.written + i), CHECKSUM_AT);
    }
    await this.file.appendFile(this.buffer.subarray(0, blocks * BLOCK_BYTES));
    this.written += blocks;
  }

  /** Completes the file and makes it durable. */
  async finish(): Promise<RunName> {
    await this.flush();
    const { name, count, room, seed, written } = this;
    for (const [place, words] of [this.firsts.subarray(0, written * 2), this.filter.words].entries()) {
      const sum = Buffer.alloc(CHECKSUM_BYTES);
      sum.writeUInt32LE(checksum(bytesOf(words), seed, written + place));
      await this.file.appendFile(bytesOf(words));
      await this.file.appendFile(sum);
    }
    await this.file.sync();
    await this.file.close();
    return { name, count, room, seed };
  }

  /** Ends the writing. What was written is in no manifest, so the next start deletes it. */
  abandon(): Promise<void> {
    return this.file.close();
  }
}
