import pino, { type Logger } from 'pino';

export type Log = Logger;

/** Structured logs, one JSON object a line, on stderr: stdout belongs to what a verb answers. */
export function createLog(level: string): Log {
  return pino(
    { level, base: { name: 'tallyman', pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
