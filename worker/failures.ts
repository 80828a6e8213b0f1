import type { Outcome } from '../schemas/types.ts';

/**
 * Failures of ours that would be the same failure again: the step in which they happen never depends on the worker or the
 * moment. Every other step may begin again while the job's attempts allow.
 */
const FINAL_STEPS: ReadonlySet<string> = new Set([
  'document', // the stored document is not the one that was accepted
  'inputs', // a blob is missing or altered
  'result', // it does not fit into a document
]);

/** Whether a job that ended like this, in its `epoch`-th of `attempts` attempts, goes back to the queue. */
export function mayBeginAgain(outcome: Outcome, { epoch, attempts }: { epoch: number; attempts: number }): boolean {
  if (epoch >= attempts) return false;
  if (outcome.kind === 'failed') return !FINAL_STEPS.has(outcome.step);
  return outcome.kind === 'worker-lost';
}
