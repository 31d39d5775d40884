import { splitterBy, type Exchange, type Protocol } from './protocol';
import type { Matches } from './proxy';

/** RESP 2, as ioredis speaks it: requests are arrays of bulk strings. */
export const redisProtocol: Protocol = {
  splitter: () => splitterBy((buffer) => endOf(buffer, 0)),
  read(request): Exchange {
    const [, length = '0'] = /^\*\d+\r\n\$(\d+)\r\n/.exec(request.toString('latin1', 0, 32)) ?? [];
    const start = request.indexOf('\r\n', request.indexOf('$')) + 2;
    return { name: request.toString('latin1', start, start + Number(length)).toUpperCase(), request };
  },
};

/** Where the value that begins at `start` ends; undefined if the buffer holds only a part of it. */
function endOf(buffer: Buffer, start: number): number | undefined {
  const lineEnd = buffer.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const count = Number(buffer.toString('latin1', start + 1, lineEnd));
  let end: number | undefined = lineEnd + 2;
  switch (String.fromCharCode(buffer[start]!)) {
    case '$':
      if (count < 0) return end;
      end += count + 2;
      return end <= buffer.length ? end : undefined;
    case '*':
      for (let element = 0; element < count && end !== undefined; element += 1) end = endOf(buffer, end);
      return end;
    default:
      return end;
  }
}

/**
 * What comes before a chunk is applied: a script that Redis does not know yet, or ids that its
 * sender does not.
 */
const isSentAgain = (answer: Buffer | undefined): boolean =>
  answer !== undefined && (answer.includes('NOSCRIPT') || answer.includes('\r\nIDS\r\n'));

/** A chunk that is applied. */
export const isApply: Matches = ({ name, request }, answer) =>
  name.startsWith('EVAL') && request.includes('}:daily:') && !isSentAgain(answer);

/** A shard whose month is frozen. */
export const isFreeze =
  (shard: number): Matches =>
  ({ name, request }, answer) =>
    name.startsWith('EVAL') &&
    request.includes(`usage:{${shard}}:closed`) &&
    request.includes(`usage:{${shard}}:cursor`) &&
    !request.includes('}:daily:') &&
    !isSentAgain(answer);

/** The partition that a chunk is of, as `<topic>/<partition>`. */
export function partitionOf({ request }: Exchange): string {
  const text = request.toString('latin1', 0, 32_768);
  const [, shard = ''] = /usage:\{(\d+)\}:cursor/.exec(text) ?? [];
  const [, topic = ''] = /\r\n([\w-]*\.?usage\.[a-z]+)\r\n/.exec(text) ?? [];
  return `${topic}/${shard}`;
}
