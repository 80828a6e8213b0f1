// The two channels of a worker: uids to kill, and calls to sweep. A message that comes while the connection is away is lost, so
// after each (re)connection what they would have said is looked up.

import type { Redis } from 'ioredis';
import type { Keys } from '../protocol/index.ts';
import type { Workplace } from './workplace.ts';

export interface CancellationOptions {
  redis: Redis;
  keys: Keys;
  place: Workplace;
  /** Something is due for a sweep. */
  onSweep(): void;
}

/** Hears cancellations of what runs here, and calls to sweep. */
export class Cancellations {
  readonly #options: CancellationOptions;
  readonly #subscribe = () => void this.#listen().catch(() => undefined); // the next connection tries again

  constructor(options: CancellationOptions) {
    this.#options = options;
  }

  start(): void {
    const { redis, keys, place, onSweep } = this.#options;
    redis.on('message', (channel: string, message: string) => {
      if (channel === keys.sweep) onSweep();
      else place.executions.kill(message, 'cancelled');
    });
    redis.on('ready', this.#subscribe);
    if (redis.status === 'ready') this.#subscribe();
  }

  close(): void {
    this.#options.redis.off('ready', this.#subscribe);
    this.#options.redis.removeAllListeners('message');
  }

  async #listen(): Promise<void> {
    const { redis, keys, place, onSweep } = this.#options;
    await redis.subscribe(keys.cancelled(place.instance), keys.sweep);
    onSweep();
    for (const uid of place.executions.uids) {
      const state = await place.protocol.peek(uid);
      if (state?.cancelRequested && state.worker === place.instance) place.executions.kill(uid, 'cancelled');
    }
  }
}
