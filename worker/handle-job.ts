// The life of one job on this worker.
//
//   delivery → a seat → begin → run → commit → settled
//                 ├→ no memory for it: back to the queue; never: commit that
//                 ├→ over already (cancelled, expired, lost): commit that
//                 ├→ draining, or the lock may be gone: back to the queue
//                 run ├→ our own failure, and it may begin again: back to the queue
//                     └→ given up (fenced): committed only if Redis still takes it from us

import type { Result } from '../schemas/types.ts';
import type { Applicant, Seat } from './admission.ts';
import { beginJob } from './begin-job.ts';
import type { Delivery, Handled } from './consume.ts';
import { endJob, endUnfit } from './end-job.ts';
import type { Running } from './executions.ts';
import { mayBeginAgain } from './failures.ts';
import { finishOf } from './finish.ts';
import { logExecution } from './log.ts';
import { runJob } from './run-job.ts';
import type { AttemptWatcher } from './signals/watch.ts';
import type { Workplace } from './workplace.ts';

/** Handles a delivery to its end: exactly one commit, or none and the job goes back. Throws only for a fault of ours. */
export async function handleJob(delivery: Delivery, place: Workplace): Promise<Handled> {
  await place.executions.whenGone(delivery.uid); // an earlier delivery to us, whose lock ran out, may just be ending
  const running = place.executions.open(delivery.uid);
  place.fence.watch(delivery.uid, delivery.lockedAt);
  try {
    return await takeThrough(delivery, running, place);
  } finally {
    place.fence.unwatch(delivery.uid);
    place.executions.close(running);
  }
}

async function takeThrough(delivery: Delivery, running: Running, place: Workplace): Promise<Handled> {
  running.waitsForRoom = true;
  const admitted = await place.admission.enter(applicantOf(delivery, place));
  running.waitsForRoom = false;
  if (admitted.answer === 'hand-back') return 'hand-back';
  if (admitted.answer === 'never') return endUnfit(delivery.uid, admitted, place);
  try {
    return await beginAndRun(delivery, { running, seat: admitted.seat }, place);
  } finally {
    admitted.seat.leave();
  }
}

interface Seated {
  running: Running;
  seat: Seat;
}

async function beginAndRun(delivery: Delivery, { running, seat }: Seated, place: Workplace): Promise<Handled> {
  const beginning = await beginJob(delivery, place);
  if (beginning.answer === 'hand-back') return 'hand-back';
  if (beginning.answer === 'nothing-to-do') return 'settled';
  if (beginning.answer === 'ended') return endJob(beginning, place);

  const { uid } = running;
  const { id, tenant, epoch, attempts } = beginning;
  const log = logExecution(place.log, { id, uid, epoch, tenant });
  log.info({ queuedUs: beginning.queuedUs }, 'begun');
  const watcher = place.watch.begun(beginning, uid);
  running.began(epoch, attempts);
  seat.settle(place.needOf(beginning.document));
  if (!place.isServing() && running.mayBeginAgain) return handBack({ uid, epoch }, watcher, place);
  const result = await runJob(running, beginning, place);
  watcher.ran(result);
  if (isGivenUp(result)) running.fence();

  const outcome = result.outcome.kind;
  if (mayBeginAgain(result.outcome, { epoch, attempts })) {
    log.warn({ outcome, epoch, attempts }, 'back to the queue');
    return handBack({ uid, epoch }, watcher, place);
  }
  const finish = finishOf(result, { uid, epoch, tenant });
  const committed = await (running.fenced ? place.committer.commitIfPossible(finish) : place.committer.commit(finish));
  watcher.committed(committed);
  log.info({ outcome, committed }, 'finished');
  return 'settled';
}

/** Its end is told first, so that it is not taken for one that never ended. Unheard it counts as that, which is rather too strict. */
async function handBack(
  execution: { uid: string; epoch: number },
  watcher: AttemptWatcher,
  { protocol, log }: Workplace,
): Promise<Handled> {
  watcher.handedBack();
  await protocol.yield(execution).catch((error: unknown) => log.debug({ err: error, ...execution }, 'yield'));
  return 'hand-back';
}

/** What has been cancelled or ended meanwhile needs nothing: it goes on to be told so. */
function applicantOf({ uid }: Delivery, { protocol, fence, isServing, needOf, log }: Workplace): Applicant {
  return {
    isWanted: () => isServing() && fence.holds(uid),
    need: async () => {
      try {
        const state = await protocol.peek(uid);
        if (state === null || state.state === 'final' || state.cancelRequested) return { bytes: 0, hasBegun: true };
        const document = await protocol.readDocument(uid);
        return { bytes: document === null ? 0 : needOf(document), hasBegun: state.epoch > 0 };
      } catch (error) {
        log.debug({ uid, err: error }, 'admission: Redis did not answer');
        return null;
      }
    },
  };
}

/** The forkserver may have ended it before this process noticed that its lock was too old: the end is the same. */
function isGivenUp({ outcome }: Result): boolean {
  return outcome.kind === 'worker-lost' && outcome.reason === 'lock-lost';
}
