import { createHash } from 'node:crypto';
import type { DeadReason } from '../protocol/index.ts';
import type { Backend, HeldLayer, Outcome, OutcomeKind, Result } from '../schemas/types.ts';
import type { AcceptanceFacts } from './audit-records.ts';
import { FINAL_STEPS } from './failures.ts';
import { separateLargeContent } from './large-content.ts';

/** A job's end as it is committed: the result's bytes, and what the audit log says about them. */
export interface Finish {
  uid: string;
  /** The epoch the result is of: the fence. */
  epoch: number;
  tenant: string;
  outcome: OutcomeKind;
  /** SHA-256 of the result's bytes, lower-case hexadecimal. */
  resultSha256: string;
  /** SHA-256 of the policy that was enforced; null when none was. */
  policySha256: string | null;
  layers: HeldLayer[];
  /** What made the sandbox; null when there was none. */
  backend: Backend | null;
  /** The rule that rejected the job, or the layer, backend or runtime that was missing; null when it was not refused. */
  refusedBy: string | null;
  /** Why the document stays, as a dead letter; null: it goes. */
  dead: DeadReason | null;
  /** For a job that never began and whose acceptance no log tells yet. */
  accepted: AcceptanceFacts | null;
  /** Content that the result refers to: to be stored before it. */
  blobs: Uint8Array[];
  result: Uint8Array;
}

/** The bytes to commit for a result of this uid, epoch and tenant. Dead letters keep their document. */
export function finishOf(result: Result, job: { uid: string; epoch: number; tenant: string }): Finish {
  const separated = separateLargeContent(result);
  const bytes = Buffer.from(JSON.stringify(separated.result), 'utf8');
  return {
    uid: job.uid,
    epoch: job.epoch,
    tenant: job.tenant,
    outcome: result.outcome.kind,
    resultSha256: createHash('sha256').update(bytes).digest('hex'),
    policySha256: result.sandbox?.policySha256 ?? null,
    layers: result.sandbox?.layers ?? [],
    backend: result.sandbox?.backend ?? null,
    refusedBy: refusalOf(result.outcome),
    dead: deadReasonOf(result.outcome),
    accepted: null,
    blobs: separated.blobs,
    result: bytes,
  };
}

const OF_LOSS = { died: 'worker-died', drain: 'worker-drained', 'lock-lost': 'lock-lost' } as const;

/** Why a job that ended like this is a dead letter: what we failed to do can be tried again. Null for every other end. */
function deadReasonOf(outcome: Outcome): DeadReason | null {
  if (outcome.kind === 'worker-lost') return OF_LOSS[outcome.reason];
  return outcome.kind === 'failed' ? (FINAL_STEPS.get(outcome.step) ?? 'step-failed') : null;
}

function refusalOf(outcome: Outcome): string | null {
  if (outcome.kind === 'rejected') return outcome.rule;
  return outcome.kind === 'unavailable' ? outcome.layer : null;
}
