import { SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api';

/**
 * Only OpenTelemetry's interface. Nothing is recorded unless the operator loads an SDK, for
 * instance by `NODE_OPTIONS='--require ./tracing.js'`. Without an SDK, a span has no effect.
 */
const tracer = trace.getTracer('tallyman');

/** Runs work within a span, and records its failure in the span. */
export function traced<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  return tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Records finished work, for a server's answer. */
export function traceAnswer(
  name: string,
  attributes: Attributes,
  startedAtMs: number,
  isError: boolean,
): void {
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes, startTime: startedAtMs });
  if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
