// Workers in the eyes of the queue: who lives, with how many slots, and what a dead one left behind.

import type { Tenants } from '../schemas/types.ts';
import type { CancelledBy, Ending, Offer, RegisterAnswer, SweepAnswer } from './answers.ts';
import { integerAt, listAt, type Reply, textAt, textsAt, unknownAnswer } from './reply.ts';
import type { QueueRedis } from './scripts.ts';
import { tenantArguments } from './tenants.ts';

/** Bounds of one sweep. */
export interface SweepLimits {
  /** Jobs to look at, of each list. */
  batch: number;
  /** What was released or looked at less than this ago is left alone: its caller may still be adding it. */
  settleMs: number;
  /** A job is looked at again no sooner than this. */
  againMs: number;
}

export const SWEEP_LIMITS: SweepLimits = { batch: 200, settleMs: 2000, againMs: 5000 };

export async function register(queue: QueueRedis, o: Offer, said: Tenants | null): Promise<RegisterAnswer> {
  const mixed = o.mixed ? 1 : 0;
  const tenants = said === null ? [] : tenantArguments(said);
  const reply = await queue.run('register', [
    o.instance,
    o.bootId,
    o.slots,
    o.digest,
    o.offer,
    o.ttlMs,
    mixed,
    ...tenants,
  ]);
  switch (textAt(reply, 0)) {
    case 'registered':
      return { answer: 'registered', releases: textsAt(reply, 1) };
    case 'differs':
      return { answer: 'differs', instance: textAt(reply, 1) };
    default:
      throw unknownAnswer('register', reply);
  }
}

/** Registers again what was registered before, whatever others offer. */
export async function heartbeat(queue: QueueRedis, offer: Offer): Promise<string[]> {
  const answer = await register(queue, { ...offer, mixed: true }, null);
  return answer.answer === 'registered' ? answer.releases : [];
}

export async function deregister(queue: QueueRedis, o: { instance: string; bootId: string }): Promise<void> {
  await queue.run('deregister', [o.instance, o.bootId]);
}

export async function release(queue: QueueRedis): Promise<string[]> {
  return textsAt(await queue.run('release', []), 1);
}

export async function sweep(queue: QueueRedis, limits: SweepLimits): Promise<SweepAnswer> {
  const reply = await queue.run('sweep', [limits.batch, limits.settleMs, limits.againMs]);
  const endings = listAt(reply, 2);
  return { releases: textsAt(reply, 1), endings: endings.map((_, place) => endingOf(listAt(endings, place))) };
}

function endingOf(reply: Reply): Ending {
  const by = textAt(reply, 5);
  return {
    uid: textAt(reply, 0),
    tenant: textAt(reply, 1),
    id: textAt(reply, 2),
    epoch: integerAt(reply, 3),
    why: textAt(reply, 4) as Ending['why'],
    by: by === '' ? null : (by as CancelledBy),
    documentSha256: textAt(reply, 6),
    acceptedAtMs: Math.floor(integerAt(reply, 7) / 1000),
  };
}
