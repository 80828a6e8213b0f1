// The words of the public surface. `createProducer` in index.ts is the way in.

import type { DeadLetter, DeadLetters, DeadReason, JobState as State, QueueStats as Stats } from '../protocol/index.ts';
import type { Job, Result } from '../schemas/types.ts';
import type { ContentHolder } from './result.ts';
import type { Settlement } from './window.ts';

/** A job document as the contract has it. Content is `text` or `base64` of any size up to the limit. */
export type JobInput = Job;

/** Where a job is. */
export type JobState = State;

export type { DeadLetter, DeadLetters, DeadReason } from '../protocol/index.ts';

/** How deep a queue is, and who serves it. */
export type QueueStats = Stats & {
  /** Workers with a heartbeat. With none, jobs wait. */
  liveWorkers: number;
};

/** How one job of `runAll` ended: with a result (whatever its outcome), or with an error of ours. `index` counts the input from 0. */
export type Settled = Settlement<Result>;

export interface WaitOptions {
  /** How long to wait for the result, in milliseconds; 0 to 2^31 − 1; 0 looks once. Then `WaitTimeoutError`: the job goes on. Default, and `Infinity`: no limit. */
  timeoutMs?: number;
  /** Its abort ends the waiting with the signal's reason. */
  signal?: AbortSignal;
}

export interface SubmitOptions {
  /** Honoured until the job is on its way: from then on only the answer tells whether it was accepted. */
  signal?: AbortSignal;
}

export interface RunAllOptions {
  /** How many jobs may be submitted and not yet yielded, 1 to 10000. Default: 32. */
  inFlight?: number;
  /** `completed` (default): as they finish. `input`: in the order of the input. */
  order?: 'completed' | 'input';
  /** Its abort ends the iteration with the signal's reason and cancels the jobs in flight. */
  signal?: AbortSignal;
}

/** Jobs in, results out. Made by `createProducer`; must be closed. Guest outcomes are results, never errors. */
export interface Producer extends AsyncDisposable {
  /** Submits and waits. An abort also cancels the job; a timeout does not. */
  run(job: JobInput, options?: WaitOptions): Promise<Result>;
  /** Returns once the job is accepted. A job without an id gets one before any I/O; errors name it, so that a retry is safe. */
  submit(job: JobInput, options?: SubmitOptions): Promise<JobHandle>;
  /**
   * Runs many jobs, no more than `inFlight` at once; the input is read as it is needed. A job that fails ends nothing but itself. Leaving
   * the loop early cancels what is in flight. An input that throws ends the iteration with its error, after what was begun.
   */
  runAll(jobs: Iterable<JobInput> | AsyncIterable<JobInput>, options?: RunAllOptions): AsyncIterable<Settled>;
  /** A handle to a job submitted before, by any process. No I/O: that it exists is seen at the first use. */
  job(id: string): JobHandle;
  stats(): Promise<QueueStats>;
  /** Jobs that we failed and that can be tried again. */
  readonly dead: DeadJobs;
  /** Ends every call under way with `ProducerClosedError` and disconnects. Jobs go on. Safe to call twice. */
  close(): Promise<void>;
}

/** Which dead letters. Without a word: all that this producer may see. */
export interface DeadFilter {
  tenant?: string;
  reason?: DeadReason;
  /** Ended before this, in milliseconds since 1970. */
  endedBeforeMs?: number;
}

/** A dead letter with its document, which refers to large content by `blob`. */
export type OpenedLetter = DeadLetter & { document: Job };

/** Dead letters of the producer's tenant, or of all tenants if it has none; ids without a tenant's name mean the producer's, or `default`. */
export interface DeadJobs {
  /** The latest first; beside them how much they take, and how many were dropped to make room. */
  list(filter?: DeadFilter): Promise<DeadLetters>;
  /** Throws `JobNotFoundError` or `DeadLetterGoneError`. */
  open(id: string, tenant?: string): Promise<OpenedLetter>;
  /**
   * Submits its document again, as a new job with the id `ID.retry-N`; the old result stays. Tried again after an error, it is the same
   * job. Throws as `open` and `submit` do.
   */
  retry(id: string, tenant?: string): Promise<JobHandle>;
  /** Drops its document; its result stays. Throws as `open` does. */
  purge(id: string, tenant?: string): Promise<void>;
}

export interface JobHandle {
  readonly id: string;
  readonly tenant: string;
  /** `created` now, `exists` from an earlier submission of the same document, or `attached` by id. */
  readonly status: 'created' | 'exists' | 'attached';
  /** The result, with all content inline. Waits for it; an abort only ends the waiting. */
  result(options?: WaitOptions): Promise<Result>;
  state(): Promise<JobState>;
  /** Asks for the job's end. `requested`: its result will be `cancelled`, unless it ends by itself first. */
  cancel(reason?: string): Promise<'requested' | 'already-final'>;
  /** The bytes of a stream, an artifact or any other content of this job. */
  content(content: ContentHolder): Promise<Uint8Array>;
}
