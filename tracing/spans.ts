// Spans of jobs, through the OpenTelemetry API alone: without an SDK in the process every call here does nothing. Loaded only where
// tracing is on.

import {
  type Attributes,
  type Context,
  context,
  type HrTime,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

/** Where all spans of this project come from. */
export function tracer(): Tracer {
  return trace.getTracer('bullpen');
}

const TRACE_PARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** A span as a W3C `traceparent`; null when nobody traces. */
export function traceParentOf(span: Span): string | null {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return null;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** The span that a `traceparent` names. Null for anything else: it came through Redis, so it may be anything. */
export function readTraceParent(text: string | null): SpanContext | null {
  const [, traceId, spanId, flags] = TRACE_PARENT.exec(text ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(spanContext) ? spanContext : null;
}

/** For a child of the span that a `traceparent` names; else for the root of a trace of its own. */
export function contextBelow(traceParent: string | null): Context {
  const parent = readTraceParent(traceParent);
  return parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
}

/** Milliseconds since 1970 as the SDK takes them for times before this process began. */
export function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

/** Submits a job in a span of its own, below whatever span is active. What `work` throws ends the span as an error. */
export async function submitSpan<T>(attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> {
  const span = tracer().startSpan('bullpen.submit', { kind: SpanKind.PRODUCER, attributes });
  try {
    return await context.with(trace.setSpan(context.active(), span), () => work(span));
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/**
 * Waits for a result. In which trace the job was submitted is known only with the result, so the span is made then, with a link to
 * whatever span is active here. Without a result it is below that one.
 */
export async function resultSpan<T extends { trace: string | null }>(
  attributes: Attributes,
  work: () => Promise<T>,
): Promise<T> {
  const startTime = timeOf(Date.now());
  const caller = trace.getSpanContext(context.active());
  const links = caller === undefined ? [] : [{ context: caller }];
  try {
    const result = await work();
    const below = contextBelow(result.trace);
    tracer().startSpan('bullpen.result', { kind: SpanKind.CONSUMER, attributes, startTime, links }, below).end();
    return result;
  } catch (error) {
    const span = tracer().startSpan('bullpen.result', { kind: SpanKind.CONSUMER, attributes, startTime });
    fail(span, error);
    span.end();
    throw error;
  }
}

/** Marks a span as failed by the error's code: messages may hold what isn't for everybody. */
function fail(span: Span, error: unknown): void {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
}
