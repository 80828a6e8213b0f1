// BullMQ hands out uids and keeps their locks; it decides nothing. A processor that throws anything but WaitingError would
// make BullMQ forget a job that is not final, so nothing else leaves this file.

import { type Job, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { BULL_QUEUE_NAME, bullPrefix, isUid } from '../protocol/index.ts';
import type { Log } from './log.ts';
import { whenReady } from './redis-connections.ts';
import type { Progress } from './signals/progress.ts';
import { within } from './within.ts';

/** One hand-over of a job by BullMQ. */
export interface Delivery {
  uid: string;
  /** Of this delivery alone. BullMQ gives a worker's next delivery of the same job the same lock token, so it counts them too. */
  token: string;
  /** When the lock was asked for, in milliseconds of `now`. */
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
  /** Hears whatever Redis answers. */
  progress: Progress;
  /** Milliseconds of the clock on which the ages of locks are told. */
  now(): number;
  /** Handles a delivery to its end. */
  handle(delivery: Delivery): Promise<Handled>;
  /** These locks were renewed by a command sent at `sentAt`. */
  onRenewed(uids: string[], sentAt: number): void;
  /** This lock is gone: the job may be another worker's. */
  onLost(uid: string): void;
}

/** After the last delivery is settled: time for BullMQ to hear of it. */
const SETTLE_MS = 500;

/** Fetches jobs, `slots` at a time. */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #deliveries = new Set<Promise<Handled>>();
  readonly #stopping = new AbortController();
  #worker: RenewingWorker | null = null;

  constructor(options: ConsumerOptions) {
    this.#options = options;
  }

  /** Starts fetching; resolves when it does, or when it was stopped before. */
  async start(): Promise<void> {
    const { redis, log } = this.#options;
    const { signal } = this.#stopping;
    while (this.#worker === null && !signal.aborted) {
      await whenReady(redis, signal).catch(() => undefined);
      const worker = this.#newWorker();
      try {
        await worker.waitUntilReady();
        this.#worker = worker;
      } catch (error) {
        // Made while Redis was away, it would never work.
        log.debug({ err: error }, 'BullMQ is not ready');
        await worker.close(true).catch(() => undefined);
      }
    }
    if (!signal.aborted) void this.#worker?.run().catch(() => undefined); // told by its error event
  }

  /** Stops fetching; resolves when every delivery is settled or handed back, Redis or no Redis. Locks are renewed until then. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the worker stops'));
    this.#options.progress.stop();
    if (this.#worker === null) return;
    const closed = this.#worker.close();
    while (this.#deliveries.size > 0) await Promise.allSettled([...this.#deliveries]);
    await within(SETTLE_MS, closed);
  }

  #newWorker(): RenewingWorker {
    const { log, onLost } = this.#options;
    // Three plain parameters: from their number BullMQ concludes what the processor can do.
    const processor = async (job: Job, token: string | undefined, _signal: AbortSignal | undefined) =>
      this.#process(job, token ?? '');
    const worker = new RenewingWorker(processor, this.#options);
    worker.on('lockRenewalFailed', (uids) => {
      for (const uid of uids) onLost(uid);
    });
    worker.on('error', (error) => log.debug({ reason: error.message }, 'BullMQ'));
    worker.on('failed', (job, error) => log.error({ uid: job?.id, reason: error.message }, 'BullMQ forgot a job'));
    return worker;
  }

  async #process(job: Job, token: string): Promise<null> {
    const { log } = this.#options;
    const uid = job.id ?? '';
    if ((await this.#handle(job, token)) === 'settled') return null;
    await job.moveToWait(token).catch((error: Error) => {
      log.debug({ uid, reason: error.message }, 'not handed back: its lock will run out');
    });
    throw new WaitingError();
  }

  async #handle(job: Job, token: string): Promise<Handled> {
    const { handle, progress, log, now } = this.#options;
    const uid = job.id ?? '';
    if (!isUid(uid)) {
      log.error('BullMQ holds a job that no script of ours released: forgotten');
      return 'settled';
    }
    // In this order: whatever comes between the two clocks makes the lock look older, never younger.
    const handedAt = now();
    const age = Math.max(0, Date.now() - (job.processedOn ?? Date.now()));
    const named = `${token}/${job.attemptsStarted}`;
    const delivery = handle({ uid, token: named, lockedAt: handedAt - age }).catch((error: unknown): Handled => {
      log.error({ uid, err: error }, 'a job could not be handled: back to the queue');
      return 'hand-back';
    });
    this.#deliveries.add(delivery);
    progress.took();
    return delivery.finally(() => {
      this.#deliveries.delete(delivery);
      progress.settled();
    });
  }
}

/** Notes when a renewal was *sent* (a lock is never younger than that), and every answer of Redis to a fetch or a renewal. */
class RenewingWorker extends Worker {
  readonly #onRenewed: (uids: string[], sentAt: number) => void;
  readonly #now: () => number;
  readonly #progress: Progress;

  constructor(
    processor: (job: Job, token: string | undefined, signal: AbortSignal | undefined) => Promise<null>,
    { redis, queue, slots, lockMs, stalledMs, onRenewed, progress, now }: ConsumerOptions,
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
    this.#now = now;
    this.#progress = progress;
  }

  /** A blocked fetch that nothing ended is followed by this one: an idle worker comes here about every five seconds. */
  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    const job = await super.moveToActive(token, name);
    this.#progress.fetched();
    return job;
  }

  override async extendJobLocks(uids: string[], tokens: string[], duration: number): Promise<string[]> {
    const sentAt = this.#now();
    const lost = await super.extendJobLocks(uids, tokens, duration);
    this.#progress.renewed();
    this.#onRenewed(
      uids.filter((uid) => !lost.includes(uid)),
      sentAt,
    );
    return lost;
  }
}
