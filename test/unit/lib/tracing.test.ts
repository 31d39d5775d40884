import { SpanStatusCode, trace, type Span, type Tracer } from '@opentelemetry/api';
import { traceAnswer, traced } from '../../../src/lib/tracing';

interface Told {
  name: string;
  attributes: unknown;
  status?: number;
  ended: boolean;
}

const told: Told[] = [];
beforeAll(() => {
  const startSpan = (name: string, options?: { attributes?: unknown }): Span => {
    const one: Told = { name, attributes: options?.attributes, ended: false };
    told.push(one);
    return {
      recordException: () => undefined,
      setStatus: ({ code }: { code: number }) => void (one.status = code),
      end: () => void (one.ended = true),
    } as unknown as Span;
  };
  const tracer = {
    startSpan,
    startActiveSpan: (name: string, options: object, work: (span: Span) => unknown) =>
      work(startSpan(name, options)),
  } as unknown as Tracer;
  trace.setGlobalTracerProvider({ getTracer: () => tracer });
});
beforeEach(() => void (told.length = 0));
afterAll(() => trace.disable());

test('work is a span that ends with it, and its answer is passed on', async () => {
  await expect(traced('apply', { partition: 3 }, () => Promise.resolve('done'))).resolves.toBe('done');
  expect(told).toEqual([{ name: 'apply', attributes: { partition: 3 }, ended: true }]);
});

test('a failure is told, and passed on', async () => {
  await expect(traced('apply', {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(told).toMatchObject([{ status: SpanStatusCode.ERROR, ended: true }]);
});

test('a server answer is a span of its own', () => {
  traceAnswer('GET /healthz', { 'http.response.status_code': 500 }, Date.now() - 5, true);
  expect(told).toMatchObject([{ name: 'GET /healthz', status: SpanStatusCode.ERROR, ended: true }]);
});
