import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import {
  claimFolder,
  isRenamed,
  isStillThere,
  lineOf,
  readIfThere,
  recordsIn,
  type SpooledRecord,
} from './spool-files';

/** Keeps webhooks on disk while Kafka is away. They survive a kill. */
export interface Spool {
  /** The bytes on disk of records that are not in Kafka yet. */
  readonly bytes: number;
  /**
   * Resolves once the record is on the disk itself.
   *
   * @returns false if the spool is full, and nothing was stored
   * @throws the file system's error, e.g. for a full disk
   */
  append(record: SpooledRecord): Promise<boolean>;
  /**
   * Hands over the waiting records, oldest first, one call at a time, and removes them once
   * `publish` has resolved. After a kill, records may be handed over again; a usage counts once by
   * its own id.
   *
   * @returns how many records were handed over
   */
  drain(publish: (records: readonly SpooledRecord[]) => Promise<void>): Promise<number>;
  close(): Promise<void>;
}

const FILE = /^webhooks-\d{12}(-[0-9a-f]{8})?\.spool$/;
const RECORDS_AT_ONCE = 500;
/** A file is handed over in one piece, so it must fit into memory. */
const FILE_BYTES_MAX = 8 * 1_024 * 1_024;

export interface SpoolOptions {
  readonly folder: string;
  /** How much it may hold. */
  readonly bytesMax: number;
  /** The topic that its webhooks go to: a folder of another one is refused. */
  readonly owner: string;
  /**
   * Called for a line that differs from what was written, which is a fault of the disk. A line that
   * a kill cut off is not one, because nobody was told that it was stored.
   */
  readonly onDamaged: (file: string) => void;
}

/**
 * Opens the spool in a folder, and takes over the files that others left there. A process that
 * still writes to one of them notices that it is gone, and writes the record again. Two processes
 * in one folder therefore hand over some records twice, and lose none.
 *
 * @throws TallymanError `BAD_SPOOL`
 */
export function openSpool(options: SpoolOptions): Spool {
  claimFolder(options.folder, options.owner);
  return new FileSpool(options);
}

interface GatheredLine {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class FileSpool implements Spool {
  /** Of this process only. */
  private readonly suffix = randomBytes(4).toString('hex');
  /** The bytes of each file, by its number. */
  private readonly files = new Map<number, number>();
  private lastNumber = 0;
  private current: { readonly number: number; readonly handle: FileHandle } | undefined;
  private gathered: GatheredLine[] = [];
  /** Writes take turns. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: SpoolOptions) {
    const { folder } = options;
    for (const name of readdirSync(folder).sort()) {
      if (!FILE.test(name) || !isRenamed(join(folder, name), this.pathOf(this.lastNumber + 1))) continue;
      this.lastNumber += 1;
      this.files.set(this.lastNumber, statSync(this.pathOf(this.lastNumber)).size);
    }
  }

  get bytes(): number {
    return [...this.files.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  append(record: SpooledRecord): Promise<boolean> {
    const line = lineOf(record);
    const waiting = this.gathered.reduce((sum, one) => sum + one.line.length, 0);
    if (this.bytes + waiting + line.length > this.options.bytesMax) return Promise.resolve(false);
    return new Promise<boolean>((resolve, reject) => {
      this.gathered.push({ line, resolve: () => resolve(true), reject });
      void this.inTurn(() => this.writeGathered());
    });
  }

  async drain(publish: (records: readonly SpooledRecord[]) => Promise<void>): Promise<number> {
    // From here on records go to a new file, so that storing them does not wait for Kafka.
    await this.close();
    let handedOver = 0;
    for (const number of [...this.files.keys()].sort((a, b) => a - b)) {
      if (number === this.current?.number) break;
      const path = this.pathOf(number);
      const records = recordsIn(readIfThere(path), () => this.options.onDamaged(path));
      for (let from = 0; from < records.length; from += RECORDS_AT_ONCE) {
        const page = records.slice(from, from + RECORDS_AT_ONCE);
        await publish(page);
        handedOver += page.length;
      }
      await rm(path, { force: true });
      this.files.delete(number);
    }
    return handedOver;
  }

  close(): Promise<void> {
    return this.inTurn(() => this.closeCurrent());
  }

  /** Records that arrived while the disk was busy are written and synced together. */
  private async writeGathered(): Promise<void> {
    const lines = this.gathered;
    this.gathered = [];
    if (lines.length === 0) return;
    try {
      const { number, handle } = (this.current = await this.currentFile());
      const text = lines.map(({ line }) => line).join('');
      await handle.appendFile(text);
      await handle.datasync();
      if (!(await isStillThere(handle, this.pathOf(number)))) {
        // Whoever took the file over may have read it before the record was in it.
        this.files.delete(number);
        await this.closeCurrent();
        this.gathered = [...lines, ...this.gathered];
        return await this.writeGathered();
      }
      this.files.set(number, this.files.get(number)! + Buffer.byteLength(text));
      for (const { resolve } of lines) resolve();
    } catch (error) {
      // It is unknown which part is on the disk, so the next record begins a new file.
      await this.current?.handle.close().catch(() => undefined);
      this.current = undefined;
      for (const { reject } of lines) reject(error);
    }
  }

  private async currentFile(): Promise<{ readonly number: number; readonly handle: FileHandle }> {
    if (this.current !== undefined && this.files.get(this.current.number)! <= FILE_BYTES_MAX)
      return this.current;
    await this.closeCurrent();
    const number = (this.lastNumber += 1);
    const handle = await open(this.pathOf(number), 'a');
    this.current = { number, handle };
    this.files.set(number, 0);
    // The name of a new file is on the disk only when its folder is synced.
    const directory = await open(this.options.folder, 'r');
    await directory.sync().finally(() => directory.close());
    return this.current;
  }

  private async closeCurrent(): Promise<void> {
    await this.current?.handle.close();
    this.current = undefined;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => undefined);
    return result;
  }

  private pathOf(number: number): string {
    return join(this.options.folder, `webhooks-${String(number).padStart(12, '0')}-${this.suffix}.spool`);
  }
}
