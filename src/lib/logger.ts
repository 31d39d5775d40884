import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

/** Structured log lines, one JSON object per line, on stderr: stdout belongs to a verb's answer. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: { name: 'tallyman', pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      ...(!/^(debug|trace)$/.test(level) && { serializers: { err: withoutStacks } }),
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** Operators need the code, the message and the causes. A stack only helps to debug the program. */
function withoutStacks(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const described = pino.stdSerializers.err(error) as Partial<Error>;
  const cause = error.cause === undefined ? {} : { cause: withoutStacks(error.cause) };
  return { ...described, stack: undefined, ...cause };
}
