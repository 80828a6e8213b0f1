import type { DeadReason } from '../protocol/index.ts';
import type { Outcome } from '../schemas/types.ts';

/**
 * Failures of ours that would be the same failure again, and what they make of the job: the step in which they happen never
 * depends on the worker or the moment. Every other step may begin again while the job's attempts allow.
 */
export const FINAL_STEPS: ReadonlyMap<string, DeadReason> = new Map([
  ['document', 'document-changed'],
  ['inputs', 'inputs-lost'],
  ['result', 'result-too-large'],
]);

/** Whether a job that ended like this, in its `epoch`-th of `attempts` attempts, goes back to the queue. */
export function mayBeginAgain(outcome: Outcome, { epoch, attempts }: { epoch: number; attempts: number }): boolean {
  if (epoch >= attempts) return false;
  if (outcome.kind === 'failed') return !FINAL_STEPS.has(outcome.step);
  return outcome.kind === 'worker-lost';
}

/** Whether the native layer made nothing of a job, because its forkserver died and is not started again yet. */
export function isResting(outcome: Outcome): boolean {
  return outcome.kind === 'failed' && outcome.step === 'forkserver' && outcome.code === 'resting';
}
