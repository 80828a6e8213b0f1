import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { addReleased, openBullQueue } from '../protocol/index.ts';
import type { Log } from './log.ts';

/** Hands released jobs to BullMQ. What can't be handed over now is found by a sweep. */
export class Dispatcher {
  readonly #redis: Redis;
  readonly #name: string;
  readonly #log: Log;
  #queue: Promise<Queue> | null = null;

  constructor(redis: Redis, name: string, log: Log) {
    this.#redis = redis;
    this.#name = name;
    this.#log = log;
  }

  /** Adds uids that a script released. Throws nothing: a sweep repairs what failed. */
  async add(uids: readonly string[]): Promise<void> {
    if (uids.length === 0) return;
    try {
      this.#queue ??= this.#open();
      await addReleased(await this.#queue, uids);
    } catch (error) {
      this.#log.debug({ err: error, uids: uids.length }, 'not handed to BullMQ: left to the sweep');
    }
  }

  /** A queue that was opened while Redis was away never works: it is thrown away, and the next call opens another. */
  async #open(): Promise<Queue> {
    const queue = openBullQueue(this.#redis, this.#name);
    queue.on('error', () => undefined); // told by the connection itself
    try {
      await queue.waitUntilReady();
      return queue;
    } catch (error) {
      this.#queue = null;
      await queue.close().catch(() => undefined);
      throw error;
    }
  }
}
