import { createHash } from 'node:crypto';
import type { HeldLayer, OutcomeKind, Result } from '../schemas/types.ts';
import type { AcceptanceFacts } from './audit-records.ts';
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
  /** Whether the document stays, for a dead letter. */
  keepDocument: boolean;
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
  const { kind } = result.outcome;
  return {
    uid: job.uid,
    epoch: job.epoch,
    tenant: job.tenant,
    outcome: kind,
    resultSha256: createHash('sha256').update(bytes).digest('hex'),
    policySha256: result.sandbox?.policySha256 ?? null,
    layers: result.sandbox?.layers ?? [],
    keepDocument: kind === 'worker-lost' || kind === 'failed',
    accepted: null,
    blobs: separated.blobs,
    result: bytes,
  };
}
