import { context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  contextBelow,
  readTraceParent,
  resultSpan,
  submitSpan,
  timeOf,
  traceParentOf,
} from '../../../tracing/spans.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const exporter = new InMemorySpanExporter();

beforeAll(() => {
  const spanProcessors = [new SimpleSpanProcessor({ exporter })];
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors }));
});
afterAll(() => trace.disable());

it('a traceparent names a span elsewhere', () => {
  expect(readTraceParent(PARENT)).toEqual({
    ...{ traceId: TRACE, spanId: 'b7ad6b7169203331', traceFlags: 1, isRemote: true },
  });
});

it.each([
  ['nothing', null],
  ['empty', ''],
  ['a later version', PARENT.replace('00-', '01-')],
  ['upper case', PARENT.toUpperCase()],
  ['a trace of zeros', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
  ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['more behind it', `${PARENT}\n`],
  ['a megabyte', 'a'.repeat(1_000_000)],
])('%s names none, and what follows begins a trace of its own', (_what, text) => {
  expect(readTraceParent(text)).toBeNull();
  expect(trace.getSpanContext(contextBelow(text))).toBeUndefined();
});

it('what is written of a span is read back as that span', async () => {
  const written = await submitSpan({}, async (span) => [traceParentOf(span), span.spanContext().spanId]);
  expect(readTraceParent(String(written[0]))?.spanId).toBe(written[1]);
});

it('times before this process began stay what they are', () => {
  expect(timeOf(1_000.25)).toEqual([1, 250_000]);
});

it('a submission that fails is a span with the error’s code, never its message', async () => {
  exporter.reset();
  const failure = Object.assign(new Error('password=secret'), { code: 'queue-unavailable' });
  await expect(submitSpan({}, () => Promise.reject(failure))).rejects.toBe(failure);
  const [span] = exporter.getFinishedSpans();
  expect(span?.status).toEqual({ code: 2, message: 'queue-unavailable' });
  expect(JSON.stringify([span?.attributes, span?.events])).not.toContain('secret');
});

it('a result belongs to the trace of its submission, and links to the span that waited', async () => {
  exporter.reset();
  const waiting = trace.wrapSpanContext({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 });
  await context.with(trace.setSpan(context.active(), waiting), () => resultSpan({}, async () => ({ trace: PARENT })));
  const [span] = exporter.getFinishedSpans();
  expect([span?.spanContext().traceId, span?.parentSpanContext?.spanId]).toEqual([TRACE, 'b7ad6b7169203331']);
});
