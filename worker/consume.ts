// BullMQ hands out uids and keeps their locks; it decides nothing. A processor that throws anything but WaitingError would
// make BullMQ forget a job that is not final, so nothing else leaves this file.

import { type Job, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { BULL_QUEUE_NAME, bullPrefix } from '../protocol/index.ts';
import type { Log } from './log.ts';

/** One hand-over of a job by BullMQ. */
export interface Delivery {
  uid: string;
  /** BullMQ's lock token: with the instance, the name of this delivery. */
  token: string;
  /** When the lock was asked for, in milliseconds of `performance.now()`. */
  lockedAt: number;
}

/** Settled: BullMQ may forget it. To be handed back: another worker, or this one, is to get it at once. */
export type Handled = 'settled' | 'hand-back';

export interface ConsumerOptions {
  redis: Redis;
  queue: string;
  slots: number;
  lockMs: number;
  stalledMs: number;
  log: Log;
  /** Handles a delivery to its end. */
  handle(delivery: Delivery): Promise<Handled>;
  /** These locks were renewed by a command sent at `sentAt`. */
  onRenewed(uids: string[], sentAt: number): void;
  /** This lock is gone: the job may be another worker's. */
  onLost(uid: string): void;
}

/** Fetches jobs, `slots` at a time. */
export class Consumer {
  readonly #worker: Worker;

  constructor(options: ConsumerOptions) {
    const { log } = options;
    const processor = async (job: Job, token: string | undefined, _signal: AbortSignal | undefined) =>
      process(job, token ?? '', options);
    this.#worker = new RenewingWorker(processor, options);
    this.#worker.on('lockRenewalFailed', (uids) => {
      for (const uid of uids) options.onLost(uid);
    });
    this.#worker.on('error', (error) => log.debug({ reason: error.message }, 'BullMQ'));
    this.#worker.on('failed', (job, error) =>
      log.error({ uid: job?.id, reason: error.message }, 'BullMQ forgot a job'),
    );
  }

  /** Starts fetching. */
  start(): void {
    void this.#worker.run().catch(() => undefined); // told by its error event
  }

  /** Stops fetching; resolves when every delivery is settled or handed back. Locks are renewed until then. */
  stop(): Promise<void> {
    return this.#worker.close();
  }
}

/** Notes when a renewal was *sent*: a lock is never younger than that. */
class RenewingWorker extends Worker {
  readonly #onRenewed: (uids: string[], sentAt: number) => void;

  constructor(
    processor: (job: Job, token: string | undefined, signal: AbortSignal | undefined) => Promise<null>,
    { redis, queue, slots, lockMs, stalledMs, onRenewed }: ConsumerOptions,
  ) {
    super(BULL_QUEUE_NAME, processor, {
      connection: redis,
      prefix: bullPrefix(queue),
      concurrency: slots,
      lockDuration: lockMs,
      stalledInterval: stalledMs,
      maxStalledCount: 1_000_000, // how often a job begins is for our epochs to say
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
      autorun: false,
      runRetryDelay: 1_000,
    });
    this.#onRenewed = onRenewed;
  }

  override async extendJobLocks(uids: string[], tokens: string[], duration: number): Promise<string[]> {
    const sentAt = performance.now();
    const lost = await super.extendJobLocks(uids, tokens, duration);
    this.#onRenewed(
      uids.filter((uid) => !lost.includes(uid)),
      sentAt,
    );
    return lost;
  }
}

async function process(job: Job, token: string, { handle, log }: ConsumerOptions): Promise<null> {
  const age = Math.max(0, Date.now() - (job.processedOn ?? Date.now()));
  const delivery = { uid: job.id ?? '', token, lockedAt: performance.now() - age };
  const handled = await handle(delivery).catch((error: unknown): Handled => {
    log.error({ uid: delivery.uid, err: error }, 'a job could not be handled: back to the queue');
    return 'hand-back';
  });
  if (handled === 'settled') return null;
  await job.moveToWait(token).catch((error: Error) => {
    log.debug({ uid: delivery.uid, reason: error.message }, 'not handed back: its lock will run out');
  });
  throw new WaitingError();
}
