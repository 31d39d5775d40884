import { randomBytes } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TallymanError } from '../lib/errors';

/** A record that waits for Kafka. */
export interface SpooledRecord {
  readonly key: string | null;
  readonly value: string;
}

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
/** Says whose webhooks a folder holds. */
const OWNER_FILE = 'owner';
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
export function openSpool({ folder, bytesMax, owner, onDamaged }: SpoolOptions): Spool {
  const own = randomBytes(4).toString('hex');
  const pathOf = (number: number): string =>
    join(folder, `webhooks-${String(number).padStart(12, '0')}-${own}.spool`);
  const files = new Map<number, number>(); // number -> bytes
  let lastNumber = 0;
  claim(folder, owner);
  for (const name of readdirSync(folder).sort()) {
    if (!FILE.test(name) || !isRenamed(join(folder, name), pathOf(lastNumber + 1))) continue;
    lastNumber += 1;
    files.set(lastNumber, statSync(pathOf(lastNumber)).size);
  }
  let current: { readonly number: number; readonly handle: FileHandle } | undefined;
  // Writes take turns.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  };
  const closeCurrent = async (): Promise<void> => {
    await current?.handle.close();
    current = undefined;
  };
  const total = (): number => [...files.values()].reduce((sum, bytes) => sum + bytes, 0);

  let gathered: {
    readonly line: string;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  /** Records that arrived while the disk was busy are written and synced together. */
  const writeGathered = async (): Promise<void> => {
    const lines = gathered;
    gathered = [];
    if (lines.length === 0) return;
    try {
      if (current === undefined || files.get(current.number)! > FILE_BYTES_MAX) {
        await closeCurrent();
        const number = (lastNumber += 1);
        current = { number, handle: await open(pathOf(number), 'a') };
        files.set(number, 0);
        // The name of a new file is on the disk only when its folder is synced.
        const directory = await open(folder, 'r');
        await directory.sync().finally(() => directory.close());
      }
      const text = lines.map(({ line }) => line).join('');
      await current.handle.appendFile(text);
      await current.handle.datasync();
      if (!(await isStillThere(current.handle, pathOf(current.number)))) {
        // Whoever took the file over may have read it before the record was in it.
        files.delete(current.number);
        await closeCurrent();
        gathered = [...lines, ...gathered];
        return await writeGathered();
      }
      files.set(current.number, files.get(current.number)! + Buffer.byteLength(text));
      for (const { resolve } of lines) resolve();
    } catch (error) {
      // It is unknown which part is on the disk, so the next record begins a new file.
      await current?.handle.close().catch(() => undefined);
      current = undefined;
      for (const { reject } of lines) reject(error);
    }
  };

  return {
    get bytes() {
      return total();
    },
    append(record) {
      const line = lineOf(record);
      const waiting = gathered.reduce((sum, one) => sum + one.line.length, 0);
      if (total() + waiting + line.length > bytesMax) return Promise.resolve(false);
      return new Promise<boolean>((resolve, reject) => {
        gathered.push({ line, resolve: () => resolve(true), reject });
        void inTurn(writeGathered);
      });
    },
    async drain(publish) {
      // From here on records go to a new file, so that storing them does not wait for Kafka.
      await inTurn(closeCurrent);
      let handedOver = 0;
      for (const number of [...files.keys()].sort((a, b) => a - b)) {
        if (number === current?.number) break;
        const text = readIfThere(pathOf(number));
        const records = recordsIn(text, () => onDamaged(pathOf(number)));
        for (let from = 0; from < records.length; from += RECORDS_AT_ONCE) {
          const page = records.slice(from, from + RECORDS_AT_ONCE);
          await publish(page);
          handedOver += page.length;
        }
        await rm(pathOf(number), { force: true });
        files.delete(number);
      }
      return handedOver;
    },
    close: () => inTurn(closeCurrent),
  };
}

/**
 * @throws TallymanError `BAD_SPOOL` for a folder that cannot be written, or that is another topic's
 */
function claim(folder: string, owner: string): void {
  let found: string;
  try {
    mkdirSync(folder, { recursive: true });
    // Whole or not at all: another process may read it at the same time.
    const draft = join(folder, `${OWNER_FILE}-${randomBytes(4).toString('hex')}`);
    writeFileSync(draft, owner);
    try {
      linkSync(draft, join(folder, OWNER_FILE));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
    found = readFileSync(join(folder, OWNER_FILE), 'utf8');
  } catch (error) {
    throw new TallymanError('BAD_SPOOL', `TALLYMAN_SPOOL names ${folder}: ${(error as Error).message}.`);
  }
  if (found === owner) return;
  throw new TallymanError(
    'BAD_SPOOL',
    `TALLYMAN_SPOOL names ${folder}, which holds webhooks for the topic ${found}. This bridge publishes to ${owner}.`,
  );
}

/** @returns false if another process was faster */
function isRenamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

const isStillThere = async (handle: FileHandle, path: string): Promise<boolean> => {
  const [open, there] = await Promise.all([handle.stat(), stat(path).catch(() => undefined)]);
  return there?.ino === open.ino;
};

/** Empty if another process has taken the file over: it hands over what is in it. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** `<crc32 of the JSON> <JSON>` and a newline. */
function lineOf({ key, value }: SpooledRecord): string {
  const json = JSON.stringify([key, value]);
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

function recordsIn(text: string, onDamaged: () => void): SpooledRecord[] {
  const lines = text.split('\n');
  lines.pop(); // The line is empty, or was cut off.
  return lines.flatMap((line) => {
    const json = line.slice(9);
    if (crc32(json).toString(16).padStart(8, '0') === line.slice(0, 8)) {
      const [key, value] = JSON.parse(json) as [string | null, string];
      return [{ key, value }];
    }
    onDamaged();
    return [];
  });
}
