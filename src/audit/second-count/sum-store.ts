import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { TallymanError } from '../../lib/errors';

/** Separates the parts of a key. No counted text contains it. */
export const SEPARATOR = '\x01';

/** How many entries are held in memory before they are written to disk: some 40 MB. */
const HELD_MAX = 200_000;
/** The approximate size of a block, which is what one lookup in a run reads. */
const BLOCK_BYTES = 4_096;
const WRITE_BYTES = 1_048_576;
/** Two neighboring runs are merged when the older one is less than this many times as large. */
const GROWTH = 2;
/** A merge of large runs lets health checks run after this many lines. */
const LINES_PER_TURN = 20_000;
const MANIFEST = 'manifest.json';

interface Run {
  readonly name: string;
  readonly bytes: number;
  readonly file: number;
  /** The first key of each block, and the offset of the block, in order. */
  readonly keys: readonly string[];
  readonly starts: readonly number[];
}

interface Manifest<State> {
  readonly owner: string;
  readonly state: State | undefined;
  readonly runs: readonly { readonly name: string; readonly bytes: number }[];
}

/**
 * Sums on disk, by group and field, in bounded memory. Additions are kept in memory, then in sorted
 * files that are written only once. A sum is the total of all of them. Files and the caller's state
 * become valid in one step, when the manifest that names them is renamed into place. After a kill,
 * both are as of the last `commit`.
 */
export class SumStore<State> {
  /** The state of the last `commit`. */
  state: State | undefined;
  private readonly held = new Map<string, Map<string, bigint>>();
  private heldCount = 0;
  private runs: Run[] = [];
  private readonly owner = randomUUID();

  private constructor(private readonly directory: string) {}

  /**
   * Opens the store in a directory, and creates the directory if it is missing. A damaged one is
   * emptied, so that the count begins again.
   *
   * @throws TallymanError `STATE_UNUSABLE` when the directory cannot be written
   */
  static open<State>(directory: string): SumStore<State> {
    const store = new SumStore<State>(directory);
    try {
      mkdirSync(directory, { recursive: true });
      store.load();
      store.writeManifest();
    } catch (error) {
      throw new TallymanError(
        'STATE_UNUSABLE',
        `The state directory ${directory} cannot be used: ${(error as Error).message}. Name another one with --state.`,
        { directory },
      );
    }
    return store;
  }

  /** Whether a `commit` is due. */
  get isFull(): boolean {
    return this.heldCount >= HELD_MAX;
  }

  add(group: string, field: string, amount: bigint): void {
    let fields = this.held.get(group);
    if (fields === undefined) this.held.set(group, (fields = new Map<string, bigint>()));
    const before = fields.get(field);
    if (before === undefined) this.heldCount += 1;
    fields.set(field, (before ?? 0n) + amount);
  }

  get(group: string, field: string): bigint {
    let sum = this.held.get(group)?.get(field) ?? 0n;
    const key = group + SEPARATOR + field;
    for (const run of this.runs) sum += findIn(run, key);
    return sum;
  }

  /** All fields of a group whose sum is not zero. */
  fieldsOf(group: string): Map<string, bigint> {
    const sums = new Map(this.held.get(group));
    const prefix = group + SEPARATOR;
    for (const run of this.runs) {
      for (const [key, amount] of linesFrom(run, prefix)) {
        if (!key.startsWith(prefix)) break;
        const field = key.slice(prefix.length);
        sums.set(field, (sums.get(field) ?? 0n) + amount);
      }
    }
    for (const [field, sum] of sums) if (sum === 0n) sums.delete(field);
    return sums;
  }

  /**
   * The first groups that begin with `prefix` and come after `after`, in order, at most `limit`.
   */
  groupsAfter(prefix: string, after: string, limit: number): string[] {
    const found = new Set<string>();
    for (const group of this.held.keys()) if (group.startsWith(prefix) && group > after) found.add(group);
    for (const run of this.runs) {
      let ofRun = 0;
      let last = '';
      // Fields of `after` itself begin with it and the separator, which is lower than any character
      // of a group.
      for (const [key] of linesFrom(run, after === '' ? prefix : after)) {
        if (!key.startsWith(prefix)) {
          if (key > prefix) break;
          continue;
        }
        const group = key.slice(0, key.lastIndexOf(SEPARATOR));
        if (group === last || group <= after) continue;
        last = group;
        found.add(group);
        if ((ofRun += 1) >= limit) break;
      }
    }
    return [...found].sort(inOrder).slice(0, limit);
  }

  /**
   * Makes all additions, and `state` with them, durable in one step.
   *
   * @param keep false for a group that nobody needs any more
   * @throws TallymanError `STATE_TAKEN` when another process has opened the directory since
   */
  async commit(state: State, keep: (group: string) => boolean = () => true): Promise<void> {
    this.checkOwner();
    this.state = state;
    const replaced: Run[] = [];
    if (this.heldCount > 0) {
      this.runs.push(await this.writeRun(this.heldLines()));
      this.held.clear();
      this.heldCount = 0;
    }
    while (this.runs.length > 1 && this.runs.at(-2)!.bytes < GROWTH * this.runs.at(-1)!.bytes) {
      const pair = this.runs.slice(-2) as [Run, Run];
      const merged = await this.writeRun(mergedLines(pair, keep));
      this.runs.splice(-2, 2, ...(merged.bytes > 0 ? [merged] : []));
      replaced.push(...pair);
      if (merged.bytes === 0) replaced.push(merged);
    }
    this.writeManifest();
    replaced.forEach((run) => this.remove(run));
  }

  /** Forgets everything, so that the count begins again. */
  clear(): void {
    const dropped = this.runs;
    this.runs = [];
    this.held.clear();
    this.heldCount = 0;
    this.state = undefined;
    this.writeManifest();
    dropped.forEach((run) => this.remove(run));
  }

  close(): void {
    this.runs.forEach(({ file }) => closeSync(file));
    this.runs = [];
  }

  private load(): void {
    const manifest = this.readManifest();
    try {
      this.runs = (manifest?.runs ?? []).map((run) => this.openRun(run));
      this.state = manifest?.state;
    } catch {
      this.close();
      this.state = undefined;
    }
    const known = new Set(this.runs.flatMap(({ name }) => [name, `${name}.index`]));
    for (const name of readdirSync(this.directory)) {
      if (/^run-/.test(name) && !known.has(name)) rmSync(join(this.directory, name));
    }
  }

  private openRun({ name, bytes }: Manifest<State>['runs'][number]): Run {
    const path = join(this.directory, name);
    if (statSync(path).size !== bytes) throw new Error(`${name} has another size`);
    const index = JSON.parse(unsigned(readFileSync(`${path}.index`, 'utf8'))) as {
      keys: string[];
      starts: number[];
    };
    return { name, bytes, file: openSync(path, 'r'), ...index };
  }

  private readManifest(): Manifest<State> | undefined {
    try {
      return JSON.parse(unsigned(readFileSync(join(this.directory, MANIFEST), 'utf8'))) as Manifest<State>;
    } catch {
      return undefined;
    }
  }

  private writeManifest(): void {
    const runs = this.runs.map(({ name, bytes }) => ({ name, bytes }));
    const manifest: Manifest<State> = { owner: this.owner, state: this.state, runs };
    const path = join(this.directory, MANIFEST);
    writeDurably(`${path}.new`, signed(JSON.stringify(manifest)));
    renameSync(`${path}.new`, path);
    const directory = openSync(this.directory, 'r');
    fsyncSync(directory);
    closeSync(directory);
  }

  private checkOwner(): void {
    if (this.readManifest()?.owner === this.owner) return;
    throw new TallymanError(
      'STATE_TAKEN',
      `Another process uses the state directory ${this.directory}. Give each process its own with --state.`,
      { directory: this.directory },
    );
  }

  private *heldLines(): Generator<Line> {
    for (const group of [...this.held.keys()].sort(inOrder)) {
      const fields = this.held.get(group)!;
      for (const field of [...fields.keys()].sort(inOrder)) {
        const amount = fields.get(field)!;
        if (amount !== 0n) yield [group + SEPARATOR + field, amount];
      }
    }
  }

  private async writeRun(lines: Iterable<Line>): Promise<Run> {
    const name = `run-${randomUUID()}`;
    const path = join(this.directory, name);
    const file = openSync(path, 'w+');
    const keys: string[] = [];
    const starts: number[] = [];
    let bytes = 0;
    let blockEnd = 0;
    let text = '';
    let written = 0;
    let count = 0;
    for (const [key, amount] of lines) {
      const line = `\n${key}\t${amount}`;
      if (bytes >= blockEnd) {
        keys.push(key);
        starts.push(bytes);
        blockEnd = bytes + BLOCK_BYTES;
      }
      text += line;
      bytes += Buffer.byteLength(line);
      if (bytes - written >= WRITE_BYTES) {
        writeSync(file, text);
        written = bytes;
        text = '';
      }
      if ((count += 1) % LINES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    writeSync(file, text);
    fsyncSync(file);
    writeDurably(`${path}.index`, signed(JSON.stringify({ keys, starts })));
    return { name, bytes, file, keys, starts };
  }

  private remove({ name, file }: Run): void {
    closeSync(file);
    rmSync(join(this.directory, name), { force: true });
    rmSync(join(this.directory, `${name}.index`), { force: true });
  }
}

type Line = readonly [key: string, amount: bigint];

const inOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'w');
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const signed = (text: string): string => `${digestOf(text)}\n${text}`;

/** @throws Error when the text is not as it was written */
function unsigned(signedText: string): string {
  const [digest = '', text = ''] = [signedText.slice(0, 64), signedText.slice(65)];
  if (digestOf(text) !== digest) throw new Error('the checksum is wrong');
  return text;
}

/** The block that would contain a key: the last one that begins at or before it. */
function blockOf({ keys }: Run, key: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

let block = Buffer.allocUnsafe(2 * BLOCK_BYTES);

function readBlock(run: Run, number: number): Buffer {
  const start = run.starts[number]!;
  const length = (run.starts[number + 1] ?? run.bytes) - start;
  if (length > block.length) block = Buffer.allocUnsafe(length * 2);
  readSync(run.file, block, 0, length, start);
  return block.subarray(0, length);
}

const LINE_END = 10;

function findIn(run: Run, key: string): bigint {
  const number = blockOf(run, key);
  if (number < 0) return 0n;
  const bytes = readBlock(run, number);
  const searched = Buffer.from(`\n${key}\t`);
  const at = bytes.indexOf(searched);
  if (at < 0) return 0n;
  const end = bytes.indexOf(LINE_END, at + searched.length);
  return BigInt(bytes.toString('latin1', at + searched.length, end < 0 ? bytes.length : end));
}

/** The lines of a run, from a key onwards, in order. */
function* linesFrom(run: Run, key: string): Generator<Line> {
  for (let number = Math.max(0, blockOf(run, key)); number < run.keys.length; number += 1) {
    for (const line of readBlock(run, number).toString('utf8').split('\n')) {
      if (line === '') continue;
      const tab = line.lastIndexOf('\t');
      const found = line.slice(0, tab);
      if (found >= key) yield [found, BigInt(line.slice(tab + 1))];
    }
  }
}

function* mergedLines(
  [older, newer]: readonly [Run, Run],
  keep: (group: string) => boolean,
): Generator<Line> {
  const [left, right] = [linesFrom(older, ''), linesFrom(newer, '')];
  let [a, b] = [left.next(), right.next()];
  let [group, isKept]: [string | undefined, boolean] = [undefined, true];
  while (a.done !== true || b.done !== true) {
    const order = a.done === true ? 1 : b.done === true ? -1 : inOrder(a.value[0], b.value[0]);
    let line: Line;
    if (order === 0) line = [(a.value as Line)[0], (a.value as Line)[1] + (b.value as Line)[1]];
    else line = (order < 0 ? a.value : b.value) as Line;
    if (order <= 0) a = left.next();
    if (order >= 0) b = right.next();
    if (line[1] === 0n) continue;
    const of = line[0].slice(0, line[0].lastIndexOf(SEPARATOR));
    if (of !== group) [group, isKept] = [of, keep(of)];
    if (isKept) yield line;
  }
}
