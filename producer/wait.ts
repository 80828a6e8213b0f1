import type { WaitOptions } from './api.ts';
import { JobNotFoundError, QueueUnavailableError, ResultExpiredError, WaitTimeoutError } from './errors.ts';
import type { QueueAccess } from './queue-access.ts';
import type { StoredResult } from './result.ts';
import { TimeUp, within } from './within.ts';

/** A result can be some ten megabytes of small artifacts. */
const TRANSFER_MS = 30_000;

/** The job that is waited for. */
interface Awaited {
  id: string;
  tenant: string;
  uid: string;
  /** Submitted just now: there is no point in looking before waiting. */
  isNew: boolean;
}

const LONGEST_MS = 2 ** 31 - 1;

/** Throws RangeError for a time that no timer can measure. `Infinity` is no limit. */
export function checkTimeout({ timeoutMs = Number.POSITIVE_INFINITY }: WaitOptions): void {
  if (timeoutMs === Number.POSITIVE_INFINITY || (timeoutMs >= 0 && timeoutMs <= LONGEST_MS)) return;
  throw new RangeError(`timeoutMs must be from 0 to ${LONGEST_MS} (milliseconds), or Infinity`);
}

/** Until the time is up. */
class Patience {
  readonly #until: number | null;
  readonly totalMs: number;

  constructor(timeoutMs = Number.POSITIVE_INFINITY) {
    this.totalMs = timeoutMs;
    this.#until = timeoutMs === Number.POSITIVE_INFINITY ? null : performance.now() + timeoutMs;
  }

  /** Milliseconds left; `null` for no limit. */
  get leftMs(): number | null {
    return this.#until === null ? null : Math.max(0, this.#until - performance.now());
  }
}

/**
 * Waits for a job's result: looks, sleeps until the commit wakes it, looks again. Redis may go away and come back while it sleeps;
 * only at the first look is that an error. Nothing is polled.
 */
export async function awaitResult(access: QueueAccess, job: Awaited, options: WaitOptions): Promise<StoredResult> {
  const patience = new Patience(options.timeoutMs);
  let found = job.isNew && options.timeoutMs !== 0 ? null : await look(access, job, options.signal);
  while (found === null) {
    await sleep(access, job, { patience, signal: options.signal });
    found = await lookAgain(access, job, options.signal);
  }
  return found;
}

/** The stored result, or null while there is none. */
async function look(
  access: QueueAccess,
  { id, uid }: Awaited,
  signal: AbortSignal | undefined,
): Promise<StoredResult | null> {
  const answer = await access.ask(id, (protocol) => protocol.readResult(uid), { signal, transferMs: TRANSFER_MS });
  if (answer.answer === 'pending') return null;
  if (answer.answer === 'unknown') throw new JobNotFoundError(id);
  if (answer.answer === 'expired') throw new ResultExpiredError(id, answer.outcome);
  return answer;
}

/** As `look`, but Redis being away is no answer. */
async function lookAgain(
  access: QueueAccess,
  job: Awaited,
  signal: AbortSignal | undefined,
): Promise<StoredResult | null> {
  try {
    return await look(access, job, signal);
  } catch (error) {
    if (error instanceof QueueUnavailableError) return null;
    throw error;
  }
}

/** Until the job has ended. Throws `WaitTimeoutError` when the time is up first. */
async function sleep(
  access: QueueAccess,
  job: Awaited,
  { patience, signal }: { patience: Patience; signal: AbortSignal | undefined },
): Promise<void> {
  const leaving = new AbortController();
  try {
    if (patience.leftMs === 0) throw new TimeUp();
    const ended = access.waiter.wait(job.uid, leaving.signal);
    await within(ended, { ms: patience.leftMs, signals: [signal, access.closing] });
  } catch (error) {
    leaving.abort(error);
    if (!(error instanceof TimeUp)) throw error;
    const seen = await access.describe(job.tenant, job.id);
    throw new WaitTimeoutError(job.id, patience.totalMs, seen);
  }
}
