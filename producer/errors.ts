// Everything of ours that can go wrong at a producer, in one table. What a guest did is never here: that is an outcome.

import type { LetterGone, QuotaName } from '../protocol/index.ts';
import type { Issue } from '../schemas/parse.ts';
import type { OutcomeKind } from '../schemas/types.ts';

/** What a person or a program can rely on, per code: whether the same call may succeed later, and what to do. */
export const ERRORS = {
  'invalid-job': { retryable: false, remedy: 'Correct the named fields; `bullpen validate FILE` shows them all.' },
  'idempotency-conflict': {
    retryable: false,
    remedy: 'This id belongs to another document of the same tenant: give the new document an id of its own.',
  },
  'quota-exceeded': {
    retryable: true,
    remedy: 'Submit again after retryAfterMs, or ask the operator for a higher quota.',
  },
  'queue-unavailable': {
    retryable: true,
    remedy: 'Check that Redis runs and can be reached; submitting again with the same id is safe.',
  },
  'wait-timeout': {
    retryable: true,
    remedy: 'The job goes on: wait again with its id. With no live worker, start one: bullpen-worker start.',
  },
  'job-not-found': {
    retryable: false,
    remedy: 'Check id, tenant and queue; ids are forgotten some days after the end.',
  },
  'result-expired': { retryable: false, remedy: 'Fetch results sooner, or raise resultTtlMs at the worker.' },
  'dead-letter-gone': {
    retryable: false,
    remedy: 'Only a job of `bullpen dead list` can be retried or purged. What was dropped or purged: submit it anew.',
  },
  'result-corrupt': {
    retryable: false,
    remedy: 'The stored result is not what the worker wrote: find out who writes to this Redis.',
  },
  'producer-closed': { retryable: false, remedy: 'Create a new producer; close() is final.' },
} as const satisfies Record<string, { retryable: boolean; remedy: string }>;

/** The closed set of codes. */
export type ErrorCode = keyof typeof ERRORS;

/** What all errors of a producer have. Tell them apart by `code` or by class. */
export abstract class BullpenError extends Error {
  abstract readonly code: ErrorCode;

  /** Whether the same call, unchanged, may succeed later. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  /** What to do about it: a sentence for a person. */
  get remedy(): string {
    return ERRORS[this.code].remedy;
  }

  /** The error as JSON: code, message, retryable, remedy and the fields of its class; no stack. */
  toJSON(): Record<string, unknown> {
    const { code, message, retryable, remedy } = this;
    const { name: _name, stack: _stack, cause: _cause, ...fields } = { ...this } as Record<string, unknown>;
    return { ...fields, code, message, retryable, remedy };
  }
}

/** The document breaks the contract. Thrown before any I/O; `issues` has at least one entry. */
export class InvalidJobError extends BullpenError {
  override readonly name = 'InvalidJobError';
  readonly code = 'invalid-job';
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[]) {
    super(`invalid job: ${issues.map(({ rule, message }) => `${message} (${rule})`).join('; ')}`);
    this.issues = issues;
  }
}

/** The tenant has a job of this id already, made from another document. */
export class IdempotencyConflictError extends BullpenError {
  override readonly name = 'IdempotencyConflictError';
  readonly code = 'idempotency-conflict';
  readonly id: string;

  constructor(id: string) {
    super(`another document was submitted as ${id} before`);
    this.id = id;
  }
}

/** A cap on queued jobs or bytes (the tenant's own or that of all), or Redis' memory, refused the job. Nothing of it was accepted. */
export class QuotaExceededError extends BullpenError {
  override readonly name = 'QuotaExceededError';
  readonly code = 'quota-exceeded';
  readonly id: string;
  /** Which quota: `redis-memory` is 85 % of what Redis may use. */
  readonly quota: QuotaName;
  /** Its value, in the unit of the quota (jobs or bytes); of `redis-memory` all that Redis may use. */
  readonly limit: number;
  /** When it is worth trying again, in milliseconds from now: 100 to 60,000, by how fast jobs leave the queue. */
  readonly retryAfterMs: number;

  constructor(id: string, refusal: { quota: QuotaName; limit: number; retryAfterMs: number }) {
    super(`job ${id} is over the quota ${refusal.quota} of ${refusal.limit}: try again in ${refusal.retryAfterMs} ms`);
    this.id = id;
    this.quota = refusal.quota;
    this.limit = refusal.limit;
    this.retryAfterMs = refusal.retryAfterMs;
  }
}

/** Redis could not be reached, or did not answer in time. */
export class QueueUnavailableError extends BullpenError {
  override readonly name = 'QueueUnavailableError';
  readonly code = 'queue-unavailable';
  /** The job's id (made by the producer if the document has none): retry with it. `null` when the call is about no job. */
  readonly id: string | null;
  /** Of a submission: `no` was never sent, `unknown` was sent but not answered. Other calls say `unknown`. */
  readonly accepted: 'no' | 'unknown';

  constructor(id: string | null, accepted: 'no' | 'unknown', cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Redis is unavailable: ${reason}`, { cause });
    this.id = id;
    this.accepted = accepted;
  }
}

/** The job had no result within the caller's time. It goes on. */
export class WaitTimeoutError extends BullpenError {
  override readonly name = 'WaitTimeoutError';
  readonly code = 'wait-timeout';
  readonly id: string;
  /** The job's state when the wait ended; `null` when Redis did not say. */
  readonly state: string | null;
  /** Workers of the queue with a heartbeat; 0 explains a lot. `null` when Redis did not say. */
  readonly liveWorkers: number | null;

  constructor(
    id: string,
    timeoutMs: number,
    seen: { queue: string; state: string | null; liveWorkers: number | null },
  ) {
    const workers =
      seen.liveWorkers === 0
        ? `no live worker on queue ${seen.queue}`
        : `${seen.liveWorkers ?? 'unknown'} live workers`;
    super(`job ${id} has no result after ${timeoutMs} ms (state ${seen.state ?? 'unknown'}, ${workers})`);
    this.id = id;
    this.state = seen.state;
    this.liveWorkers = seen.liveWorkers;
  }
}

/** The tenant has no job of this id, or it ended so long ago that it is forgotten. */
export class JobNotFoundError extends BullpenError {
  override readonly name = 'JobNotFoundError';
  readonly code = 'job-not-found';
  readonly id: string;

  constructor(id: string) {
    super(`no job ${id}`);
    this.id = id;
  }
}

/** The job has ended, and its result (or a part of it) is no longer kept. */
export class ResultExpiredError extends BullpenError {
  override readonly name = 'ResultExpiredError';
  readonly code = 'result-expired';
  readonly id: string;
  /** How the job ended: this is kept longer than the result. */
  readonly outcome: OutcomeKind;

  constructor(id: string, outcome: OutcomeKind) {
    super(`the result of job ${id} is no longer kept; its outcome was ${outcome}`);
    this.id = id;
    this.outcome = outcome;
  }
}

/** Why a dead letter can't be had: what became of it, or what of it is missing. */
export type DeadLetterProblem = LetterGone | 'document-gone' | 'content-gone' | 'ids-taken';

const PROBLEMS: Record<DeadLetterProblem, string> = {
  unknown: 'there is no such job',
  alive: 'it has not ended',
  never: 'it ended in a way that leaves nothing to be tried again',
  dropped: 'newer dead letters needed the room',
  purged: 'it was purged',
  retried: 'it was retried',
  ended: 'it ended so long ago that its document is no longer kept',
  'document-gone': 'its document is gone, or is not the one that was accepted',
  'content-gone': 'a content that its document refers to is gone, or was altered',
  'ids-taken': 'a hundred ids of the form ID.retry-N are taken by other jobs',
};

/** The job is no dead letter (any more), or can't be retried. */
export class DeadLetterGoneError extends BullpenError {
  override readonly name = 'DeadLetterGoneError';
  readonly code = 'dead-letter-gone';
  readonly id: string;
  readonly why: DeadLetterProblem;
  /** The id of its retry, if it was retried; else `null`. */
  readonly retryId: string | null;

  constructor(id: string, why: DeadLetterProblem, retryId: string | null = null) {
    super(`job ${id} is no dead letter: ${PROBLEMS[why]}${retryId === null ? '' : ` as ${retryId}`}`);
    this.id = id;
    this.why = why;
    this.retryId = retryId;
  }
}

/** What Redis holds is not what the worker wrote (its sha256 differs, or it is no result document). */
export class ResultCorruptError extends BullpenError {
  override readonly name = 'ResultCorruptError';
  readonly code = 'result-corrupt';
  readonly id: string;

  constructor(id: string, what: string) {
    super(`the result of job ${id} is corrupt: ${what}`);
    this.id = id;
  }
}

/** The producer was closed before or during the call. */
export class ProducerClosedError extends BullpenError {
  override readonly name = 'ProducerClosedError';
  readonly code = 'producer-closed';

  constructor() {
    super('the producer is closed');
  }
}
