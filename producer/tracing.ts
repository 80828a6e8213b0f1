import type { Attributes } from '@opentelemetry/api';

/** Whose spans these are. */
export interface TracedJob {
  id: string;
  tenant: string;
}

/**
 * Spans around what a producer does, through the OpenTelemetry API and whatever SDK the application has registered. Off, which is the
 * default, nothing of either is loaded: the API is an optional peer.
 */
export class Tracing {
  readonly #isOn: boolean;

  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** Submits in a span of its own; `work` gets what is to be kept beside the job, for the spans of its worker. */
  async submitting<T>(job: TracedJob & { uid: string }, work: (trace: string | null) => Promise<T>): Promise<T> {
    if (!this.#isOn) return work(null);
    const { submitSpan, traceParentOf } = await import('../tracing/spans.ts');
    return submitSpan({ 'bullpen.uid': job.uid, ...attributesOf(job) }, (span) => work(traceParentOf(span)));
  }

  /** Waits for a stored result; the span of it belongs to the trace that the job was submitted in. */
  async waiting<T extends { trace: string | null }>(job: TracedJob, work: () => Promise<T>): Promise<T> {
    if (!this.#isOn) return work();
    const { resultSpan } = await import('../tracing/spans.ts');
    return resultSpan(attributesOf(job), work);
  }
}

function attributesOf({ id, tenant }: TracedJob): Attributes {
  return { 'bullpen.id': id, 'bullpen.tenant': tenant };
}
