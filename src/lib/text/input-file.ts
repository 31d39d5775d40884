import { createReadStream, readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { TallymanError } from '../errors';

/** After this long without input, one line says what is waited for. */
const SILENCE_MS = 3_000;

/** A file argument of a verb; `-` is stdin. */
export interface InputFile {
  /** For messages. */
  readonly name: string;
  /** Whether it can be read more than once, which stdin and pipes cannot. */
  readonly isRepeatable: boolean;
  chunks(): AsyncIterable<Buffer>;
}

/** @throws TallymanError `NO_FILE` if the file cannot be read */
export async function inputFile(file: string): Promise<InputFile> {
  if (file === '-') {
    return { name: 'stdin', isRepeatable: false, chunks: () => waitedFor('stdin', process.stdin) };
  }
  const found = await stat(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  if (found.isDirectory()) throw unreadable(file, { code: 'EISDIR' });
  const isRepeatable = found.isFile();
  return {
    ...{ name: file, isRepeatable },
    chunks: () => (isRepeatable ? chunksOf(file) : waitedFor(file, chunksOf(file))),
  };
}

/** As `inputFile`, but input that could be read only once is read now and kept in memory. */
export async function repeatableFile(file: string): Promise<InputFile> {
  const input = await inputFile(file);
  if (input.isRepeatable) return input;
  const kept: Buffer[] = [];
  for await (const chunk of input.chunks()) kept.push(chunk);
  return { ...input, isRepeatable: true, chunks: () => Readable.from(kept) };
}

/** Opening a pipe waits for its writer, and reading it for what that writes, perhaps for ever. */
async function* waitedFor(
  name: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const waiting = setTimeout(
    () => void process.stderr.write(`Waiting for the first line of ${name} ...\n`),
    SILENCE_MS,
  );
  try {
    for await (const chunk of chunks) {
      clearTimeout(waiting);
      yield chunk;
    }
  } finally {
    clearTimeout(waiting);
  }
}

async function* chunksOf(file: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* createReadStream(file) as AsyncIterable<Buffer>;
  } catch (error) {
    throw unreadable(file, error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a symbolic link to itself',
  EACCES: 'this user may not read it',
};

/**
 * The text of a file that a setting names. A pipe without a writer would block the process for
 * ever, and a device may never end.
 *
 * @throws Error for `readFailure`
 */
export function readTextFile(path: string): string {
  const found = statSync(path);
  if (!found.isFile() && !found.isDirectory()) throw new Error('it is not a regular file');
  return readFileSync(path, 'utf8');
}

/** Why a file cannot be read, for people. */
export function readFailure(error: unknown): string {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}

function unreadable(file: string, error: unknown): TallymanError {
  return new TallymanError('NO_FILE', `Cannot read ${file}: ${readFailure(error)}.`, { file });
}
