/** A request and, once it came by, its answer. */
export interface Exchange {
  /** `EVALSHA`, `HGETALL`; `Produce`, `OffsetCommit`. */
  readonly name: string;
  /** As it stands on the wire: keys, topics and offsets can be looked for in it. */
  readonly request: Buffer;
}

/** What a proxy must know of the language that is spoken through it. */
export interface Protocol {
  /**
   * Takes the bytes of a stream as they come, and gives out whole messages. One for each stream.
   */
  splitter(): (bytes: Buffer) => Buffer[];
  read(request: Buffer): Exchange;
}

/**
 * @param lengthOf the length of the message that begins at the start of the buffer; undefined while
 *   that cannot be told
 */
export function splitterBy(lengthOf: (buffer: Buffer) => number | undefined): (bytes: Buffer) => Buffer[] {
  let parts: Buffer[] = [];
  let have = 0;
  let wanted: number | undefined;
  return (bytes) => {
    parts.push(bytes);
    have += bytes.length;
    if (wanted !== undefined && have < wanted) return [];
    let rest = Buffer.concat(parts);
    const messages: Buffer[] = [];
    for (wanted = lengthOf(rest); wanted !== undefined && wanted <= rest.length; wanted = lengthOf(rest)) {
      messages.push(rest.subarray(0, wanted));
      rest = rest.subarray(wanted);
    }
    parts = [rest];
    have = rest.length;
    return messages;
  };
}
