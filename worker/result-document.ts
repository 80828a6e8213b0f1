// Results of jobs whose code did not run, or whose run nobody could see to its end. What ran is described by the native layer.

import type { Issue } from '../schemas/parse.ts';
import type { Cancelled, Expired, Failed, Rejected, Result, Unavailable, WorkerLost } from '../schemas/types.ts';
import type { KillReason } from './engine.ts';

/** An outcome that is not the guest's doing. */
export type OwnOutcome = Rejected | Unavailable | Cancelled | Expired | WorkerLost | Failed;

/** Whose result it is. All but `worker` is null, and the epoch 0, for a document that could not be read. */
export interface ResultSubject {
  id: string | null;
  tenant: string | null;
  uid: string | null;
  epoch: number;
  worker: string;
  startedAt: string | null;
}

/** The result of a job that ended without a run of which anything is known: no streams, usage, timing or sandbox. */
export function resultWithoutRun(subject: ResultSubject, outcome: OwnOutcome): Result {
  return {
    kind: 'result',
    version: 1,
    id: subject.id,
    tenant: subject.tenant,
    uid: subject.uid,
    epoch: subject.epoch,
    outcome,
    attribution: outcome.kind === 'rejected' || outcome.kind === 'cancelled' ? 'caller' : 'system',
    rewardSafe: false,
    artifacts: [],
    artifactsTruncated: false,
    limitsHit: [],
    worker: subject.worker,
    startedAt: subject.startedAt,
    finishedAt: new Date().toISOString(),
  };
}

/** What a job's end from outside makes of a result. */
export function endedBy(reason: KillReason): Pick<Result, 'outcome' | 'attribution'> {
  return reason === 'cancelled'
    ? { outcome: { kind: 'cancelled', by: 'caller' }, attribution: 'caller' }
    : { outcome: { kind: 'worker-lost', reason }, attribution: 'system' };
}

/** A refusal that names the document's first issue. */
export function rejection(issues: readonly Issue[]): Rejected {
  const first = issues[0] ?? { path: '', rule: 'invalid', message: 'the document is invalid' };
  return {
    kind: 'rejected',
    field: cut(first.path, 300),
    rule: first.rule,
    message: cut(first.message, 1000),
  };
}

/** A failure of ours. `message` is for the tenant: no host path, no environment, no stack. */
export function failure(step: string, code: string, message: string): Failed {
  return { kind: 'failed', step, code, message: cut(message, 1000) };
}

/**
 * What an error of the native layer, or in reading its answer, is to the tenant: a result that no string can hold is too
 * large, anything else a defect of ours.
 */
export function engineFailure(error: unknown): Failed {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (error instanceof RangeError || code === 'ERR_STRING_TOO_LONG') {
    return failure('result', 'too-large', 'the result is larger than this worker can hand on');
  }
  return failure('engine', 'refused', 'the native layer refused to run the job');
}

function cut(text: string, length: number): string {
  return Array.from(text).slice(0, length).join('');
}
