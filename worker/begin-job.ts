// From a delivery to a begun attempt, or to the reason why there is none. Only `begin` in Redis decides; everything before is
// to ask it with the right audit records. While Redis is away the question is asked again, but never under a lock that may
// have run out: another worker may have begun the job by then.

import { setTimeout as sleep } from 'node:timers/promises';
import type { BeginAnswer, JobState } from '../protocol/index.ts';
import type { Delivery } from './consume.ts';
import type { Workplace } from './workplace.ts';

/** A job that is to run now. */
export type Begun = Extract<BeginAnswer, { answer: 'run' }>;

/** A job that ended without this attempt: what remains is to write that down. */
export type Ended = Extract<BeginAnswer, { answer: 'cancelled' | 'expired' | 'lost' | 'poison' | 'corrupt' }>;

export type Beginning =
  | Begun
  | { answer: 'ended'; ended: Ended; state: JobState; acceptanceIsLogged: boolean }
  | { answer: 'nothing-to-do' }
  | { answer: 'hand-back' };

const RETRY_MS = 250;

/** Begins a delivered job, unless it is over already, the worker drains, or its lock may be gone. */
export async function beginJob(delivery: Delivery, place: Workplace): Promise<Beginning> {
  while (place.isServing() && place.fence.holds(delivery.uid)) {
    const beginning = await ask(delivery, place).catch(async (error: unknown) => {
      place.log.debug({ uid: delivery.uid, err: error }, 'begin: Redis did not answer');
      await sleep(RETRY_MS / 2 + Math.random() * RETRY_MS);
      return null;
    });
    if (beginning !== null) return beginning;
  }
  return { answer: 'hand-back' };
}

/** Asks once; null when the job moved on between the two questions. */
async function ask(delivery: Delivery, place: Workplace): Promise<Beginning | null> {
  const state = await place.protocol.peek(delivery.uid);
  if (state === null || state.state === 'final') return { answer: 'nothing-to-do' };
  // Ours already: the answer to an earlier question was lost, and what it logged stands. A job that will not begin is not logged as begun.
  const isOurs = state.state === 'running' && state.worker === place.instance;
  const willBegin = !state.cancelRequested && (state.state === 'waiting' || state.epoch < state.attempts);
  const again = isOurs ? await send(delivery, place, { state, epoch: state.epoch, isLogged: false }) : null;
  if (again !== null && again.answer !== 'moved') return conclude(again, state, false);
  const answer = await send(delivery, place, { state, epoch: state.epoch + 1, isLogged: willBegin });
  return conclude(answer, state, willBegin && state.epoch === 0);
}

interface Question {
  state: JobState;
  /** The epoch that this begin is expected to make. */
  epoch: number;
  /** Whether the attempt is told to the audit log. */
  isLogged: boolean;
}

function send({ uid, token }: Delivery, place: Workplace, { state, epoch, isLogged }: Question): Promise<BeginAnswer> {
  const { instance, protocol, audit, records } = place;
  const job = { uid, tenant: state.tenant, epoch };
  const accepted = state.epoch === 0 ? [records.accepted(job, state)] : [];
  const events = isLogged ? [...accepted, records.started(job, state.attempts)] : [];
  return audit.append(events, (entries) =>
    protocol.begin({ uid, instance, token, expectedEpoch: epoch, records: entries }),
  );
}

function conclude(answer: BeginAnswer, state: JobState, acceptanceIsLogged: boolean): Beginning | null {
  switch (answer.answer) {
    case 'run':
      return answer;
    case 'final':
    case 'gone':
      return { answer: 'nothing-to-do' };
    case 'moved':
    case 'gap':
      return null;
    default:
      return { answer: 'ended', ended: answer, state, acceptanceIsLogged };
  }
}
