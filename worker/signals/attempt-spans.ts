// The spans of attempts, below the span that submitted the job: the time in the queue, and the attempt with its stages. Loaded only where
// tracing is on.

import { type Attributes, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Result } from '../../schemas/types.ts';
import { contextBelow, timeOf, tracer } from '../../tracing/spans.ts';
import type { Begun } from '../begin-job.ts';
import type { Committed } from '../commit-result.ts';
import type { AttemptWatcher, JobWatcher } from './watch.ts';

/** Makes a span of each stage of the attempts that begin on this worker. */
export class JobSpans implements JobWatcher {
  begun(begun: Begun, uid: string): AttemptWatcher {
    return new AttemptSpans(begun, uid);
  }

  tried(): void {}

  final(): void {}
}

class AttemptSpans implements AttemptWatcher {
  readonly #attempt: Span;
  /** From the monotonic clock to the host's, as they stood at the begin: within one attempt time doesn't jump. */
  readonly #offsetMs = Date.now() - performance.now();
  #ranAtMs = this.#nowMs();

  constructor({ trace: traceParent, queuedUs, tenant, id, epoch, attempts }: Begun, uid: string) {
    const beganAtMs = this.#ranAtMs;
    const parent = contextBelow(traceParent);
    const attributes: Attributes = { 'bullpen.uid': uid, 'bullpen.epoch': epoch, 'bullpen.tenant': tenant };
    const facts = { 'bullpen.id': id, 'bullpen.attempts': attempts };
    // Measured by the clock of Redis, shown as ending now by ours.
    tracer()
      .startSpan('bullpen.queue', { startTime: timeOf(beganAtMs - queuedUs / 1000), attributes }, parent)
      .end(timeOf(beganAtMs));
    const options = { kind: SpanKind.CONSUMER, startTime: timeOf(beganAtMs) };
    this.#attempt = tracer().startSpan(
      'bullpen.attempt',
      { ...options, attributes: { ...attributes, ...facts } },
      parent,
    );
  }

  /** The native layer's stages are laid end to end, the last one ending now: it tells how long, not when. */
  ran({ outcome, attribution, timing, sandbox, worker }: Result): void {
    this.#ranAtMs = this.#nowMs();
    const facts = { 'bullpen.outcome': outcome.kind, 'bullpen.attribution': attribution };
    this.#attempt.setAttributes({ ...facts, 'bullpen.worker': worker });
    if (attribution === 'system') this.#attempt.setStatus({ code: SpanStatusCode.ERROR, message: outcome.kind });
    if (timing === undefined || sandbox === undefined) return;
    const { acquireUs, setupUs, buildUs, runUs, collectUs } = timing;
    const stages = { acquire: acquireUs, setup: setupUs, build: buildUs, run: runUs, collect: collectUs };
    let endMs = this.#ranAtMs;
    for (const [stage, us] of Object.entries(stages).reverse()) {
      if (us === undefined) continue;
      this.#child(stage, endMs - us / 1000, endMs);
      endMs -= us / 1000;
    }
  }

  committed(answer: Committed): void {
    const nowMs = this.#nowMs();
    this.#child('commit', this.#ranAtMs, nowMs, { 'bullpen.answer': answer });
    this.#attempt.end(timeOf(nowMs));
  }

  handedBack(): void {
    this.#attempt.setAttribute('bullpen.handed_back', true);
    this.#attempt.end(timeOf(this.#nowMs()));
  }

  #child(stage: string, startMs: number, endMs: number, attributes: Attributes = {}): void {
    const below = trace.setSpan(contextBelow(null), this.#attempt);
    const startTime = timeOf(startMs);
    tracer().startSpan(`bullpen.${stage}`, { startTime, attributes }, below).end(timeOf(endMs));
  }

  #nowMs(): number {
    return this.#offsetMs + performance.now();
  }
}
