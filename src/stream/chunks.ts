import { parseOffset } from './offset';

/** What is read of a record. The rest of the record passes through. */
interface Sized {
  readonly offset: string;
  readonly value: Buffer | null;
}

/** A run of records that is rated and applied together: it answers for every offset in [from, next). */
export interface RecordChunk<T extends Sized> {
  readonly from: number;
  readonly next: number;
  readonly records: readonly T[];
}

export interface ChunkLimits {
  readonly maxRecords: number;
  /** Of values together; a single record may be larger. */
  readonly maxBytes: number;
}

/**
 * Cuts the records of the range [from, next) into chunks that leave no offset out: each begins where the one before
 * ended. Records below `from` are dropped. A range without records is one empty chunk: the cursor has to pass it too.
 */
export function* cutChunks<T extends Sized>(
  records: readonly T[],
  range: { readonly from: number; readonly next: number },
  limits: ChunkLimits,
): Generator<RecordChunk<T>> {
  let from = range.from;
  let chunk: T[] = [];
  let bytes = 0;
  for (const record of records) {
    const offset = parseOffset(record.offset);
    if (offset < range.from) continue;
    const size = record.value?.length ?? 0;
    if (chunk.length > 0 && (chunk.length >= limits.maxRecords || bytes + size > limits.maxBytes)) {
      yield { from, next: offset, records: chunk };
      from = offset;
      chunk = [];
      bytes = 0;
    }
    chunk.push(record);
    bytes += size;
  }
  yield { from, next: range.next, records: chunk };
}
