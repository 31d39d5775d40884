import { createHash } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DamagedIndexError, type RunName } from './run-file';

/** Lane -> offset. */
export type Offsets = Readonly<Record<string, number>>;

/** What an index holds on the disk: the files, what they contain, and who writes them. */
export interface Manifest {
  readonly format: typeof FORMAT;
  /** What the ids are of. An index of something else is foreign. */
  readonly identity: string;
  /** Random. The process that opened the index last. */
  readonly owner: string;
  readonly tail: string;
  readonly windows: readonly {
    readonly name: string;
    readonly context: string;
    readonly starts: Offsets;
    /**
     * In the order of counting, each with the offsets that it reaches together with those before.
     */
    readonly runs: readonly (RunName & { readonly reaches: Offsets })[];
  }[];
}

export const FORMAT = 1;
const NAME = 'manifest.json';

/** Another process has opened the same folder. */
export class IndexTakenError extends Error {}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * @returns undefined if there is none
 * @throws DamagedIndexError
 */
export function readManifest(directory: string): Manifest | undefined {
  let signed: string;
  try {
    signed = readFileSync(join(directory, NAME), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [digest, text] = [signed.slice(0, 64), signed.slice(65)];
  if (digestOf(text) !== digest) throw new DamagedIndexError('the manifest has a wrong checksum');
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format !== FORMAT) throw new DamagedIndexError('the index is of another version');
  return manifest;
}

/**
 * Replaces the manifest in one step, once it is on the disk.
 *
 * @param current the manifest as it should be. If it has changed while it was written, it is
 *   written again
 * @param isNew whether this process takes the folder over
 * @throws IndexTakenError; the errors of the file system
 */
export async function writeManifest(
  directory: string,
  current: () => Manifest,
  isNew: boolean,
): Promise<void> {
  let manifest: Manifest;
  let path: string;
  let text: string;
  do {
    manifest = current();
    path = join(directory, `${NAME}.${manifest.owner}`);
    text = JSON.stringify(manifest);
    const file = await open(path, 'w');
    await file.writeFile(`${digestOf(text)}\n${text}`);
    await file.sync();
    await file.close();
  } while (JSON.stringify(current()) !== text);
  if (!isNew) checkOwner(directory, manifest.owner);
  renameSync(path, join(directory, NAME));
  const folder = await open(directory, 'r');
  await folder.sync();
  await folder.close();
}

function checkOwner(directory: string, owner: string): void {
  if (readManifest(directory)?.owner !== owner)
    throw new IndexTakenError(`another process has opened ${directory}`);
}
