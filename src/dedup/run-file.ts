import { randomInt, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, read, readSync, rmSync, writeSync } from 'node:fs';
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

/** What is held in memory of a run. */
export interface WrittenRun extends RunName {
  /** The first fingerprint of each block: lower half, upper half. */
  readonly firsts: Uint32Array;
  /** The words of its filter. */
  readonly words: Uint32Array;
}

/** A run that is open for reading. */
export interface Run extends RunName, Pick<WrittenRun, 'firsts'> {
  readonly file: number;
  readonly blocks: number;
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

/** Opens a run that was just written, whose file need not be read again. */
export function openWritten(directory: string, { words, ...run }: WrittenRun): Run {
  const file = openSync(join(directory, run.name), 'r');
  return { ...run, file, blocks: blocksOf(run.count), filter: new Filter(run.room, words) };
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

/** One read or write holds this many blocks: 256 KiB. */
const BLOCKS_AT_ONCE = 64;

/**
 * Reads the fingerprints of a run in order. It waits for the disk, so it is for a thread of its
 * own.
 */
export class RunReader {
  private readonly file: number;
  private readonly blocks: number;
  private readonly buffer = Buffer.from(new ArrayBuffer(BLOCKS_AT_ONCE * BLOCK_BYTES));
  /** The blocks that were read, and those that were taken. */
  private read = 0;
  private taken = 0;

  constructor(
    directory: string,
    private readonly run: RunName,
  ) {
    this.file = openSync(join(directory, run.name), 'r');
    this.blocks = blocksOf(run.count);
  }

  /** The next block, which is valid until the next call; undefined at the end. */
  next(): Uint32Array | undefined {
    if (this.taken === this.blocks) return undefined;
    if (this.taken === this.read) {
      const count = Math.min(BLOCKS_AT_ONCE, this.blocks - this.read);
      readWhole(this.file, this.buffer.subarray(0, count * BLOCK_BYTES), this.read * BLOCK_BYTES);
      this.read += count;
    }
    const at = (this.taken % BLOCKS_AT_ONCE) * BLOCK_BYTES;
    const ids = idsOf(this.run, this.buffer.subarray(at, at + BLOCK_BYTES), this.taken);
    this.taken += 1;
    return ids;
  }

  close(): void {
    closeSync(this.file);
  }
}

/** Writes a run from fingerprints that come in order. It waits for the disk, as a reader does. */
export class RunWriter {
  private readonly name = `run-${randomUUID()}`;
  private readonly seed = randomInt(2 ** 32);
  private readonly path: string;
  private readonly file: number;
  private readonly buffer = Buffer.from(new ArrayBuffer(BLOCKS_AT_ONCE * BLOCK_BYTES));
  private readonly words = new Uint32Array(this.buffer.buffer);
  private readonly filter: Filter;
  private readonly firsts: Uint32Array;
  private count = 0;
  /** Blocks that were begun. */
  private blocks = 0;
  /** Where the last block begins in `words`. */
  private blockAt = 0;
  /** How many fingerprints are in the last block. */
  private inBlock = IDS_PER_BLOCK;
  /** The last fingerprint: a field would be a new object for each large number. */
  private readonly last = new Uint32Array(2);

  /** @param room how many fingerprints may come */
  constructor(
    directory: string,
    private readonly room: number,
  ) {
    this.path = join(directory, this.name);
    this.file = openSync(this.path, 'wx');
    this.filter = new Filter(room);
    this.firsts = new Uint32Array(blocksOf(room) * 2);
  }

  /** A fingerprint that equals the one before is left out. */
  add(low: number, high: number): void {
    const { last, words } = this;
    if (low === last[0] && high === last[1]) return;
    if (this.inBlock === IDS_PER_BLOCK) this.beginBlock(low, high);
    last[0] = low;
    last[1] = high;
    const at = this.blockAt + this.inBlock * 2;
    words[at] = low;
    words[at + 1] = high;
    this.filter.add(low, high);
    this.inBlock += 1;
    this.count += 1;
  }

  /** Completes the file and makes it durable. */
  finish(): WrittenRun {
    if (this.count > 0) this.write();
    const { name, count, room, seed, blocks, filter } = this;
    const firsts = this.firsts.slice(0, blocks * 2);
    for (const [place, words] of [firsts, filter.words].entries()) {
      const sum = Buffer.alloc(CHECKSUM_BYTES);
      sum.writeUInt32LE(checksum(bytesOf(words), seed, blocks + place));
      writeWhole(this.file, bytesOf(words));
      writeWhole(this.file, sum);
    }
    fsyncSync(this.file);
    closeSync(this.file);
    return { name, count, room, seed, firsts, words: filter.words };
  }

  /** Ends the writing, and leaves no file. */
  abandon(): void {
    closeSync(this.file);
    rmSync(this.path, { force: true });
  }

  private beginBlock(low: number, high: number): void {
    if (this.blocks > 0 && this.blocks % BLOCKS_AT_ONCE === 0) this.write();
    this.firsts[this.blocks * 2] = low;
    this.firsts[this.blocks * 2 + 1] = high;
    this.blockAt = ((this.blocks % BLOCKS_AT_ONCE) * BLOCK_BYTES) / 4;
    this.blocks += 1;
    this.inBlock = 0;
  }

  /** Writes the blocks in the buffer. All but the last one are full. */
  private write(): void {
    const first = this.blocks - 1 - ((this.blocks - 1) % BLOCKS_AT_ONCE);
    for (let number = first; number < this.blocks; number += 1) {
      const at = (number - first) * BLOCK_BYTES;
      const bytes = this.buffer.subarray(at, at + BLOCK_BYTES);
      const ids = number === this.blocks - 1 ? this.inBlock : IDS_PER_BLOCK;
      bytes.fill(0, ids * ID_BYTES, COUNT_AT);
      bytes.writeUInt32LE(ids, COUNT_AT);
      bytes.writeUInt32LE(checksum(bytes.subarray(0, CHECKSUM_AT), this.seed, number), CHECKSUM_AT);
    }
    writeWhole(this.file, this.buffer.subarray(0, (this.blocks - first) * BLOCK_BYTES));
  }
}

function writeWhole(file: number, bytes: Buffer): void {
  // A write may take a part only, and never more than 2 GB.
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, 2 ** 30));
}
