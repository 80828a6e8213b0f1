// Jobs that end without a run of ours: cancelled or expired while they waited, or begun by workers that never came back.

import type { DeadReason, Ending } from '../protocol/index.ts';
import type { AcceptanceFacts } from './audit-records.ts';
import type { Beginning, Ended } from './begin-job.ts';
import type { Committed } from './commit-result.ts';
import type { Handled } from './consume.ts';
import { finishOf } from './finish.ts';
import { failure, type OwnOutcome, resultWithoutRun } from './result-document.ts';
import type { Workplace } from './workplace.ts';

/** Commits the end that `begin` found. */
export async function endJob(
  { ended, state, acceptanceIsLogged }: Extract<Beginning, { answer: 'ended' }>,
  place: Workplace,
): Promise<Handled> {
  const job = { ...state, epoch: ended.epoch };
  const end = { outcome: outcomeOf(ended), dead: deadOf(ended.answer), acceptanceIsLogged };
  const committed = await commitEnd(job, end, place);
  return committed === 'dropped' ? 'hand-back' : 'settled';
}

/** Commits that this host can't hold a job. Nothing is to do if it ended meanwhile; it is another's if it began. */
export async function endUnfit(
  uid: string,
  { need, most }: { need: number; most: number },
  place: Workplace,
): Promise<Handled> {
  const state = await place.protocol.peek(uid);
  if (state === null || state.state !== 'waiting') return 'settled';
  const message = `the job may take ${need} bytes of memory, this worker's host has ${most} for jobs. Remedy: a smaller policy.limits.memoryBytes, or a queue that a larger host serves`;
  const outcome: OwnOutcome = { kind: 'unavailable', layer: 'cgroup-memory', message };
  const committed = await commitEnd(state, { outcome, dead: null, acceptanceIsLogged: false }, place);
  return committed === 'dropped' ? 'hand-back' : 'settled';
}

/** Commits the end that a sweep found. */
export function endSwept(ending: Ending, place: Workplace): Promise<Committed> {
  const outcome = outcomeOf({ answer: ending.why, by: ending.by ?? 'caller' });
  const end = { outcome, dead: deadOf(ending.why), acceptanceIsLogged: ending.epoch > 0 };
  return commitEnd({ ...ending, startedAtMs: null }, end, place);
}

interface EndedJob extends AcceptanceFacts {
  uid: string;
  tenant: string;
  epoch: number;
  startedAtMs: number | null;
}

interface End {
  outcome: OwnOutcome;
  /** Where it is not what the outcome says. */
  dead: DeadReason | null;
  acceptanceIsLogged: boolean;
}

/** Tried once: whoever gets the job next, or sweeps next, finds the same end. */
async function commitEnd(
  job: EndedJob,
  { outcome, dead, acceptanceIsLogged }: End,
  { instance, committer, log }: Workplace,
): Promise<Committed> {
  const { id, tenant, uid, epoch, startedAtMs } = job;
  const startedAt = startedAtMs === null ? null : new Date(startedAtMs).toISOString();
  const result = resultWithoutRun({ id, tenant, uid, epoch, worker: instance, startedAt }, outcome);
  const accepted = acceptanceIsLogged || epoch > 0 ? null : acceptanceOf(job);
  const finish = finishOf(result, { uid, epoch, tenant });
  const committed = await committer.commitIfPossible({ ...finish, dead: dead ?? finish.dead, accepted });
  log.info({ job: id, exec: `${uid}-${epoch}`, tenant, outcome: outcome.kind, committed }, 'ended');
  return committed;
}

function acceptanceOf({ id, documentSha256, acceptedAtMs }: AcceptanceFacts): AcceptanceFacts {
  return { id, documentSha256, acceptedAtMs };
}

function outcomeOf(ended: { answer: Ended['answer']; by?: 'caller' | 'operator' }): OwnOutcome {
  switch (ended.answer) {
    case 'cancelled':
      return { kind: 'cancelled', by: ended.by ?? 'caller' };
    case 'expired':
      return { kind: 'expired' };
    case 'lost':
    case 'poison':
      return { kind: 'worker-lost', reason: 'died' };
    case 'corrupt':
      return failure('document', 'hash', 'the stored document is not the one that was accepted');
  }
}

function deadOf(answer: Ended['answer']): DeadReason | null {
  return answer === 'poison' ? 'poison' : null;
}
