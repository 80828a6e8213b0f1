import type { Redis, RedisOptions } from 'ioredis';
import { findEnded } from './reading.ts';
import { QueueRedis } from './scripts.ts';

/** How often a waiter makes sure of itself, in milliseconds. */
export interface WaiterTimes {
  /** The subscriber is pinged this often; one that leaves a ping unanswered for as long is replaced. */
  pingMs: number;
  /** All that is waited for is read this often, in one round trip, whatever was heard. */
  readMs: number;
  /** After a reading that failed, the next one. */
  retryMs: number;
}

const TIMES: WaiterTimes = { pingMs: 5000, readMs: 15_000, retryMs: 1000 };
const RECONNECT_STEP_MS = 50;
const RECONNECT_MAX_MS = 1000;

/** A waiter was closed while someone waited. */
export class WaiterClosedError extends Error {
  constructor() {
    super('the waiter was closed');
    this.name = 'WaiterClosedError';
  }
}

/**
 * Waits for jobs to end: one subscriber connection per process, made at the first wait.
 *
 * A message can be missed: published before the subscription was made, or while the connection was away. So each wait goes
 * subscribe, read, wait; after every reconnection all channels are subscribed again and then all jobs are read again; and because a
 * dead connection may look alive, it is pinged, and all jobs are read now and then anyway.
 */
export class Waiter {
  readonly #queue: QueueRedis;
  readonly #times: WaiterTimes;
  readonly #waiting = new Map<string, Set<Waiting>>();
  #subscriber: Redis | null = null;
  readonly #timers: NodeJS.Timeout[] = [];
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** `redis` is used to read; the subscriber is a duplicate of it. */
  constructor(redis: Redis, queue: string, times: Partial<WaiterTimes> = {}) {
    this.#queue = new QueueRedis(redis, queue);
    this.#times = { ...TIMES, ...times };
  }

  /**
   * Returns when the job has ended (or is unknown): at once if it has already. Redis being away only makes it later.
   * @throws the signal's reason when it is aborted, WaiterClosedError when the waiter is closed.
   */
  async wait(uid: string, signal?: AbortSignal): Promise<void> {
    if (this.#isClosed) throw new WaiterClosedError();
    signal?.throwIfAborted();
    let waiting: Waiting = { resolve: ignore, reject: ignore };
    const ended = new Promise<void>((resolve, reject) => {
      waiting = { resolve, reject };
    });
    const abort = () => waiting.reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    this.#enter(uid, waiting);
    try {
      await ended;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#leave(uid, waiting);
    }
  }

  /** Ends all waits and the subscriber's connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#retry !== null) clearTimeout(this.#retry);
    for (const [, waits] of this.#waiting) for (const waiting of waits) waiting.reject(new WaiterClosedError());
    this.#subscriber?.disconnect();
  }

  #enter(uid: string, waiting: Waiting): void {
    const waits = this.#waiting.get(uid) ?? new Set();
    waits.add(waiting);
    this.#waiting.set(uid, waits);
    this.#subscriber ??= this.#connect();
    void this.#subscribeAndRead([uid]);
  }

  #leave(uid: string, waiting: Waiting): void {
    const waits = this.#waiting.get(uid);
    waits?.delete(waiting);
    if (waits?.size !== 0) return;
    this.#waiting.delete(uid);
    this.#subscriber?.unsubscribe(this.#queue.keys.done(uid)).catch(ignore);
  }

  #connect(): Redis {
    const subscriber = this.#queue.redis.duplicate<RedisOptions>({
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
      retryStrategy: (attempt) => Math.min(attempt * RECONNECT_STEP_MS, RECONNECT_MAX_MS),
    });
    const prefix = this.#queue.keys.done('');
    subscriber.on('error', ignore); // told by `close` too, and tried again
    subscriber.on('message', (channel: string) => this.#wake(channel.slice(prefix.length)));
    subscriber.on('ready', () => void this.#subscribeAndRead([...this.#waiting.keys()]));
    subscriber.connect().catch(ignore);
    this.#every(this.#times.pingMs, () => void this.#ping(subscriber));
    this.#every(this.#times.readMs, () => void this.#read([...this.#waiting.keys()]));
    return subscriber;
  }

  #every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms).unref());
  }

  async #subscribeAndRead(uids: string[]): Promise<void> {
    if (uids.length === 0) return;
    const channels = uids.map((uid) => this.#queue.keys.done(uid));
    // Refused while the connection is away: `ready` subscribes to everything then.
    await this.#subscriber?.subscribe(...channels).catch(ignore);
    await this.#read(uids);
  }

  async #read(uids: string[]): Promise<void> {
    const open = uids.filter((uid) => this.#waiting.has(uid));
    if (open.length === 0 || this.#isClosed) return;
    try {
      for (const uid of await findEnded(this.#queue, open)) this.#wake(uid);
    } catch {
      this.#readAgainSoon();
    }
  }

  #readAgainSoon(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      void this.#read([...this.#waiting.keys()]);
    }, this.#times.retryMs).unref();
  }

  async #ping(subscriber: Redis): Promise<void> {
    if (subscriber.status !== 'ready') return;
    const silence = setTimeout(() => subscriber.disconnect(true), this.#times.pingMs);
    await subscriber.ping().catch(ignore);
    clearTimeout(silence);
  }

  #wake(uid: string): void {
    for (const waiting of this.#waiting.get(uid) ?? []) waiting.resolve();
  }
}

interface Waiting {
  resolve(): void;
  reject(reason: unknown): void;
}

function ignore(): void {}
