/** What a node has transferred since it started. */
export interface NodeBytes {
  /** LiveKit gives a server a new id whenever it starts. */
  readonly node: string;
  readonly downstream: bigint;
  readonly upstream: bigint;
}

const COUNTER = /^livekit_packet_bytes\{(.*)\} (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/**
 * Reads a node's counters off its Prometheus page. What was sent again counts, as it was
 * transferred again.
 *
 * @returns undefined if the node has transferred nothing yet: the page has no counter then
 * @throws Error if a counter cannot be read
 */
export function nodeBytesIn(page: string): NodeBytes | undefined {
  let node: string | undefined;
  const sums = { incoming: 0n, outgoing: 0n };
  for (const line of page.split('\n')) {
    const [, labels, value] = COUNTER.exec(line) ?? [];
    if (labels === undefined || value === undefined) continue;
    const named = new Map([...labels.matchAll(LABEL)].map(([, name, text]) => [name, text]));
    const direction = named.get('direction');
    if (direction !== 'incoming' && direction !== 'outgoing') continue;
    const of = named.get('node_id') ?? '';
    if (of === '' || (node !== undefined && node !== of)) {
      throw new Error(`livekit_packet_bytes has the node_id "${of}" and must name one node`);
    }
    node = of;
    sums[direction] += wholeNumber(value);
  }
  return node === undefined ? undefined : { node, downstream: sums.outgoing, upstream: sums.incoming };
}

/** `1.190819e+06` as 1190819n: exact, which a double may not be after a sum. */
function wholeNumber(text: string): bigint {
  const [, whole, fraction = '', exponent = '0'] =
    /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,2}))?$/i.exec(text) ?? [];
  if (whole === undefined) throw new Error(`livekit_packet_bytes is "${text}" and must be a number of bytes`);
  const shift = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  return shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
}
