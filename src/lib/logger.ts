import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

/** Structured log lines, one JSON object per line, on stderr: stdout belongs to a verb's answer. */
export function createLogger(level: string): Logger {
  return pino(
    { level, base: { name: 'tallyman', pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
