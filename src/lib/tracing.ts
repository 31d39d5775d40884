import { SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api';

/**
 * OpenTelemetry's interface alone: nothing is recorded unless whoever runs Tallyman loads an SDK, for instance by
 * `NODE_OPTIONS='--require ./tracing.js'`. Without one a span is an object without effect.
 */
const tracer = trace.getTracer('tallyman');

/** Does a piece of work within a span that ends with it, and says how it failed if it does. */
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

/** Tells of work that has been done, in a server's answer. */
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
