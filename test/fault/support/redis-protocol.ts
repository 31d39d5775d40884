import { splitterBy, type Exchange, type Protocol } from './protocol';

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

/** Whether a request applies a chunk: to a certain topic if one is given, with its prefix. */
export const isApply =
  (topic?: string) =>
  ({ name, request }: Exchange): boolean =>
    name.startsWith('EVAL') &&
    request.includes('}:daily:') &&
    (topic === undefined || request.includes(topic));

/** Whether a request freezes a month, or puts a freeze back. */
export const isFreeze =
  (shard: number) =>
  ({ name, request }: Exchange): boolean =>
    name.startsWith('EVAL') && request.includes(`usage:{${shard}}:closed`) && !request.includes('}:daily:');
