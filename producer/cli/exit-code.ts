// The exit codes of `bullpen`, in two tables. Of many jobs the highest counts.

import type { OutcomeKind } from '../../schemas/types.ts';
import { BullpenError, type ErrorCode } from '../errors.ts';

/** Nothing went wrong that is ours or the caller's; what the guest did is in the result. */
export const EXIT_OK = 0;
/** Wrong usage. */
export const EXIT_USAGE = 2;
/** Refused: invalid, rejected, unavailable, over quota, conflict, unknown or expired id. */
export const EXIT_REFUSED = 3;
/** Failed, worker-lost, expired, cancelled. */
export const EXIT_FAILED = 4;
/** Redis can't be reached. */
export const EXIT_NO_REDIS = 5;
/** The wait timed out; the job goes on. */
export const EXIT_TIMEOUT = 6;

const OF_OUTCOME: Record<OutcomeKind, number> = {
  exited: EXIT_OK,
  signaled: EXIT_OK,
  'wall-time-exceeded': EXIT_OK,
  'cpu-time-exceeded': EXIT_OK,
  'memory-exceeded': EXIT_OK,
  'processes-exceeded': EXIT_OK,
  'output-exceeded': EXIT_OK,
  'disk-exceeded': EXIT_OK,
  rejected: EXIT_REFUSED,
  unavailable: EXIT_REFUSED,
  cancelled: EXIT_FAILED,
  expired: EXIT_FAILED,
  'worker-lost': EXIT_FAILED,
  failed: EXIT_FAILED,
};

const OF_ERROR: Record<ErrorCode, number> = {
  'invalid-job': EXIT_REFUSED,
  'idempotency-conflict': EXIT_REFUSED,
  'quota-exceeded': EXIT_REFUSED,
  'queue-unavailable': EXIT_NO_REDIS,
  'wait-timeout': EXIT_TIMEOUT,
  'job-not-found': EXIT_REFUSED,
  'result-expired': EXIT_REFUSED,
  'dead-letter-gone': EXIT_REFUSED,
  'result-corrupt': EXIT_FAILED,
  'producer-closed': EXIT_FAILED,
};

export function exitCodeOfOutcome(kind: OutcomeKind): number {
  // Results are open when read: a kind of a later version is no outcome of the guest's that we know.
  return OF_OUTCOME[kind] ?? EXIT_FAILED;
}

/** Anything that is not one of our errors is a defect: it is thrown again. */
export function exitCodeOfError(error: unknown): number {
  if (error instanceof BullpenError) return OF_ERROR[error.code];
  throw error;
}
