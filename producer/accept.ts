import { setTimeout as sleep } from 'node:timers/promises';
import type { AcceptAnswer, Protocol, QuotaAnswer } from '../protocol/index.ts';
import type { PreparedJob } from './document.ts';
import { IdempotencyConflictError, QueueUnavailableError, QuotaExceededError } from './errors.ts';
import { isNotOfRedis, type Limits, type QueueAccess } from './queue-access.ts';

/** A job, and where the trace of who submits it goes on; null when nobody traces. */
export type TracedDocument = PreparedJob & { trace: string | null };

/** Slower than this, a transfer counts as no answer: about 1 MB/s. */
const BYTES_PER_MS = 1024;
const PAUSE_MS = 50;
// Redis refuses before it runs a script: nothing was accepted.
const NOT_RUN = /^(OOM|LOADING|READONLY|MISCONF|BUSY|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|NOAUTH|WRONGPASS|NOSCRIPT) /;

/**
 * Gets a job accepted: its large content first, then the script that decides. A connection that breaks meanwhile is tried again until the
 * time is up: the script is idempotent by the job's uid.
 */
export async function accept(
  access: QueueAccess,
  job: TracedDocument,
  signal: AbortSignal | undefined,
): Promise<{ uid: string; status: 'created' | 'exists' }> {
  const answer = await new Acceptance(access, job, signal).answer();
  switch (answer.answer) {
    case 'created':
      await access.dispatch(answer.releases);
      return { uid: answer.uid, status: 'created' };
    case 'exists':
      return { uid: answer.uid, status: 'exists' };
    case 'conflict':
      throw new IdempotencyConflictError(job.id);
    case 'quota':
      throw new QuotaExceededError(job.id, answer);
  }
}

/**
 * Before the script is first sent the caller's signal ends it and nothing is accepted. Once a script was sent and Redis has not refused
 * it, only an answer tells: the signal counts no more, and without an answer the acceptance is unknown.
 */
class Acceptance {
  readonly #access: QueueAccess;
  readonly #job: TracedDocument;
  readonly #signal: AbortSignal | undefined;
  readonly #until: number;
  #unanswered = false;
  #blobsStored = 0;

  constructor(access: QueueAccess, job: TracedDocument, signal: AbortSignal | undefined) {
    const bytes = job.blobs.reduce((sum, blob) => sum + blob.length, job.document.length);
    this.#access = access;
    this.#job = job;
    this.#signal = signal;
    this.#until = performance.now() + access.timeoutMs + Math.floor(bytes / BYTES_PER_MS);
  }

  async answer(): Promise<AcceptAnswer> {
    for (;;) {
      try {
        const refusal = await this.#storeBlobs();
        return refusal ?? (await this.#send());
      } catch (error) {
        this.#giveUpUnlessWorthwhile(error);
        await sleep(PAUSE_MS);
      }
    }
  }

  /** What would be refused anyway leaves no content behind. */
  async #storeBlobs(): Promise<QuotaAnswer | null> {
    const { blobs, tenant, id, document, contentBytes } = this.#job;
    if (blobs.length > this.#blobsStored) {
      const bytes = document.length + contentBytes;
      const room = await this.#access.exchange((protocol) => protocol.admit({ tenant, id, bytes }), this.#limits());
      if (room.answer === 'quota') return room;
    }
    for (const blob of blobs.slice(this.#blobsStored)) {
      await this.#access.exchange((protocol) => protocol.putBlob(tenant, blob), this.#limits());
      this.#blobsStored += 1;
    }
    return null;
  }

  async #send(): Promise<AcceptAnswer> {
    await this.#access.connected(this.#limits());
    return this.#access.exchange((protocol) => this.#ask(protocol), { until: this.#until });
  }

  async #ask(protocol: Protocol): Promise<AcceptAnswer> {
    const { blobs: _stored, ...acceptance } = this.#job;
    const earlier = this.#unanswered;
    this.#unanswered = true;
    try {
      return await protocol.accept(acceptance);
    } catch (error) {
      if (isReply(error) && NOT_RUN.test(error.message)) this.#unanswered = earlier;
      throw error;
    }
  }

  #limits(): Limits {
    return { until: this.#until, signal: this.#unanswered ? undefined : this.#signal };
  }

  #giveUpUnlessWorthwhile(error: unknown): void {
    if (this.#access.closing.aborted || isNotOfRedis(error)) throw error;
    if (this.#signal?.aborted && !this.#unanswered) throw error;
    if (!isReply(error) && performance.now() + PAUSE_MS < this.#until) return;
    throw new QueueUnavailableError(this.#job.id, this.#unanswered ? 'unknown' : 'no', error);
  }
}

/** Redis answered, with an error: asking again at once would not help. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}
