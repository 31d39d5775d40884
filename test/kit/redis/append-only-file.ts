/** What an append-only file holds: where its transactions lie, so that a test can tear them. */

/** One record: a command with its arguments, and the bytes of the file that it fills. */
export interface AofRecord {
  readonly words: readonly Buffer[];
  readonly start: number;
  readonly end: number;
}

/**
 * The whole records of a file in Redis's protocol; notes (`#TS:...`) are passed over, what is torn
 * at its end too.
 */
export function recordsOf(file: Buffer): AofRecord[] {
  const records: AofRecord[] = [];
  let at = 0;
  const line = (): string | undefined => {
    const end = file.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const text = file.toString('latin1', at, end);
    at = end + 2;
    return text;
  };
  while (at < file.length) {
    const start = at;
    const head = line();
    if (head === undefined) return records;
    if (head.startsWith('#')) continue;
    const words: Buffer[] = [];
    for (let left = Number(head.slice(1)); left > 0; left -= 1) {
      const length = line();
      if (length === undefined) return records;
      const bytes = Number(length.slice(1));
      if (at + bytes + 2 > file.length) return records;
      words.push(file.subarray(at, at + bytes));
      at += bytes + 2;
    }
    records.push({ words, start, end: at });
  }
  return records;
}

const isNamed = (record: AofRecord, name: string): boolean =>
  record.words[0]?.toString().toUpperCase() === name;

/** The last whole transaction that writes what `holds` looks for: from its MULTI to its EXEC. */
export function lastTransaction(
  file: Buffer,
  holds: (record: AofRecord) => boolean = () => true,
): readonly AofRecord[] | undefined {
  const records = recordsOf(file);
  for (let end = records.length - 1; end >= 0; end -= 1) {
    if (!isNamed(records[end]!, 'EXEC')) continue;
    let start = end;
    while (start > 0 && !isNamed(records[start]!, 'MULTI')) start -= 1;
    const transaction = records.slice(start, end + 1);
    if (transaction.some(holds)) return transaction;
  }
  return undefined;
}
