import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { FinishedBody } from '../../../schemas/types.ts';
import { AuditRecords } from '../../../worker/audit-records.ts';
import { finishOf } from '../../../worker/finish.ts';
import { type OwnOutcome, resultWithoutRun } from '../../../worker/result-document.ts';

const records = new AuditRecords('w-1');
const JOB = { uid: 'mzxw6ytboi4dcnrtgq2tmnzyha', tenant: 'acme', epoch: 1 };

function finished(outcome: OwnOutcome): FinishedBody {
  const subject = { id: 'a', tenant: 'acme', uid: JOB.uid, epoch: 1, worker: 'w-1', startedAt: null };
  return records.finished(finishOf(resultWithoutRun(subject, outcome), JOB)).body as FinishedBody;
}

it('names who, whose, which attempt, the result and what refused it', () => {
  const event = records.finished(
    finishOf(resultWithoutRun({ ...JOB, id: 'a', worker: 'w-1', startedAt: null }, { kind: 'expired' }), JOB),
  );
  expect(event).toMatchObject({ actor: 'worker:w-1', tenant: 'acme', uid: JOB.uid, epoch: 1 });
  const rejected = finished({
    kind: 'rejected',
    field: 'policy.limits.memoryBytes',
    rule: 'ceiling',
    message: 'too much',
  });
  expect(rejected).toMatchObject({
    outcomeKind: 'rejected',
    refusedBy: 'ceiling',
    backend: null,
    policySha256: null,
    layers: [],
  });
  expect(finished({ kind: 'unavailable', layer: 'landlock', message: 'none here' }).refusedBy).toBe('landlock');
  expect(finished({ kind: 'expired' }).refusedBy).toBeNull();
});

it('names policy, backend and the layers that held', () => {
  const subject = { id: 'a', tenant: 'acme', uid: JOB.uid, epoch: 1, worker: 'w-1', startedAt: null };
  const layers = [{ layer: 'seccomp' as const, value: 'strict' }];
  const sandbox = {
    backend: 'process' as const,
    warm: 'none' as const,
    layers,
    policyName: null,
    policySha256: 'a'.repeat(64),
  };
  const result = { ...resultWithoutRun(subject, { kind: 'expired' }), sandbox };
  const { body } = records.finished(finishOf(result, JOB));
  expect(body).toMatchObject({ backend: 'process', layers, policySha256: 'a'.repeat(64) });
});

it('tells a document by a salted hash: another salt each time, checked by who has the document', () => {
  const documentSha256 = createHash('sha256').update('{"id":"a"}').digest('hex');
  const facts = { id: 'a', documentSha256, acceptedAtMs: 1 };
  const bodies = [1, 2].map(
    () => records.accepted(JOB, facts).body as { documentSalt: string; documentSha256: string },
  );
  const hashes = bodies.map(({ documentSalt }) =>
    createHash('sha256')
      .update(Buffer.from(documentSalt, 'hex'))
      .update(Buffer.from(documentSha256, 'hex'))
      .digest('hex'),
  );
  expect(bodies.map((body) => body.documentSha256)).toEqual(hashes);
  expect(new Set([...hashes, documentSha256]).size).toBe(3);
});
