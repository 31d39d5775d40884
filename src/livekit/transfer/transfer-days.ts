import type { BytesByNode, TransferCount, TransferDay } from '../../../schemas/types';
import type { NodeBytes } from './node-bytes';

type Direction = 'downstream' | 'upstream';

/** An event of `usage.transfer`. */
export interface TransferUsage {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: 'usage.transfer.v1';
  readonly subject: string;
  readonly time: string;
  readonly data: { readonly service: 'webrtc'; readonly direction: Direction; readonly bytes: string };
}

const DIRECTIONS = ['downstream', 'upstream'] as const;

/**
 * Adds what was transferred since the last reading. The first reading of an address adds nothing:
 * how old its counters are is unknown.
 *
 * @param now the time of the reading, and its day
 * @param reading `undefined`: the address did not answer; `none`: the node has no counters yet
 */
export function countUp(
  count: TransferCount | undefined,
  now: { readonly day: string; readonly atMs: number },
  reading: NodeBytes | 'none' | undefined,
): TransferCount | undefined {
  if (count === undefined) {
    if (reading === undefined) return undefined;
    return { ...now, bytes: {}, finished: [], ...(reading !== 'none' && { seen: seenIn(reading) }) };
  }
  // A clock that is behind another's does not open a day again.
  const isNewDay = now.day > count.day;
  const today: TransferDay = isNewDay
    ? { ...now, bytes: {} }
    : {
        day: count.day,
        atMs: now.day === count.day ? Math.max(now.atMs, count.atMs) : count.atMs,
        bytes: count.bytes,
      };
  const { day, atMs, bytes } = count;
  const finished = isNewDay ? [...count.finished, { day, atMs, bytes }] : count.finished;
  if (reading === undefined || reading === 'none') {
    return { ...today, finished, ...(count.seen && { seen: count.seen }) };
  }
  return { ...today, bytes: added(today.bytes, count.seen, reading), finished, seen: seenIn(reading) };
}

function added(bytes: BytesByNode, seen: TransferCount['seen'], reading: NodeBytes): BytesByNode {
  const before = bytes[reading.node] ?? { downstream: '0', upstream: '0' };
  const sumOf = (direction: Direction): string => {
    const last = seen?.node === reading.node ? BigInt(seen[direction]) : 0n;
    const value = reading[direction];
    // A counter that has fallen began again at zero.
    return String(BigInt(before[direction]) + (value >= last ? value - last : value));
  };
  return { ...bytes, [reading.node]: { downstream: sumOf('downstream'), upstream: sumOf('upstream') } };
}

const seenIn = ({ node, downstream, upstream }: NodeBytes): NonNullable<TransferCount['seen']> => ({
  node,
  downstream: String(downstream),
  upstream: String(upstream),
});

/** The usage of the days that are over: the same events whoever publishes them, and how often. */
export function usagesOf(
  { finished }: TransferCount,
  { source, project }: { readonly source: string; readonly project: string },
): TransferUsage[] {
  return finished.flatMap(({ day, atMs, bytes }) =>
    Object.entries(bytes).flatMap(([node, byDirection]) =>
      DIRECTIONS.filter((direction) => byDirection[direction] !== '0').map((direction) => ({
        specversion: '1.0' as const,
        id: `${node}/${day}/${direction}`,
        source,
        type: 'usage.transfer.v1' as const,
        subject: project,
        time: new Date(atMs).toISOString(),
        data: { service: 'webrtc' as const, direction, bytes: byDirection[direction] },
      })),
    ),
  );
}
