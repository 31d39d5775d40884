import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TallymanError } from '../lib/errors';

/** A record that waits for Kafka. */
export interface SpooledRecord {
  readonly key: string | null;
  readonly value: string;
}

/** Says whose webhooks a folder holds. */
const OWNER_FILE = 'owner';

/**
 * @throws TallymanError `BAD_SPOOL` for a folder that cannot be written, or that is another topic's
 */
export function claimFolder(folder: string, owner: string): void {
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
export function isRenamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

export const isStillThere = async (handle: FileHandle, path: string): Promise<boolean> => {
  const [open, there] = await Promise.all([handle.stat(), stat(path).catch(() => undefined)]);
  return there?.ino === open.ino;
};

/** Empty if another process has taken the file over: it hands over what is in it. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** `<crc32 of the JSON> <JSON>` and a newline. */
export function lineOf({ key, value }: SpooledRecord): string {
  const json = JSON.stringify([key, value]);
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

export function recordsIn(text: string, onDamaged: () => void): SpooledRecord[] {
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
