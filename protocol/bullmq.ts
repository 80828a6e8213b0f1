// BullMQ dispatches and locks; it carries nothing but the uid, as the id of its job.

import { Queue, type QueueOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { BULL_QUEUE_NAME, bullPrefix } from './keys.ts';

/** Nobody reads BullMQ's events: our own keys tell how a job ended. */
const EVENTS_KEPT = 100;

/** The BullMQ queue that a worker of this queue consumes. The connection is the caller's. Close it before the connection. */
export function openBullQueue(redis: Redis, queue: string): Queue {
  const options: QueueOptions = {
    connection: redis,
    prefix: bullPrefix(queue),
    streams: { events: { maxLen: EVENTS_KEPT } },
  };
  return new Queue(BULL_QUEUE_NAME, options);
}

/**
 * Hands released jobs to BullMQ. One that it holds already stays as it is, so this may be repeated; one that never arrives here is
 * found by a sweep. BullMQ forgets a job when it is done with it: whether a job is over, only our own keys say.
 */
export async function addReleased(queue: Queue, uids: readonly string[]): Promise<void> {
  if (uids.length === 0) return;
  const jobs = uids.map((uid) => ({
    name: 'job',
    data: {},
    opts: { jobId: uid, removeOnComplete: true, removeOnFail: true, attempts: 1 },
  }));
  await queue.addBulk(jobs);
}
