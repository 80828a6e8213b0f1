import { Redis } from 'ioredis';
import { type RedisAddress, tlsOptions } from '../protocol/index.ts';
import { type Bounds, TimeUp, within } from './within.ts';

const RETRY_STEP_MS = 50;
const RETRY_MAX_MS = 1000;
const DISCONNECT_TIMEOUT_MS = 200;
/** Commands unanswered for this long: the connection only looks alive (its other end is gone without a word), and is replaced. */
const SILENCE_MS = 5000;

/**
 * The producer's one command connection: made at the first use, made again whenever it is lost. Nothing is queued while it is away, and
 * what was in flight when it broke fails at once, so that a caller always knows whether a command was sent.
 */
export class Link {
  readonly redis: Redis;
  #lastError: Error | null = null;
  #up = newGate();

  constructor(address: RedisAddress) {
    this.redis = new Redis(address.url, {
      ...tlsOptions(address),
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      socketTimeout: SILENCE_MS,
      // ioredis keeps the process alive for as long, even if there was no connection to end.
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(attempt * RETRY_STEP_MS, RETRY_MAX_MS),
    });
    this.redis.on('error', (error) => {
      this.#lastError = error;
    });
    this.redis.on('ready', () => this.#up.open());
    this.redis.on('close', () => {
      this.#up = this.#up.isOpen ? newGate() : this.#up;
    });
  }

  /** Waits until Redis takes commands. Rejects with the connection's own error when the time is up, or with a signal's reason. */
  async ready(bounds: Bounds): Promise<void> {
    for (const signal of bounds.signals) signal?.throwIfAborted();
    if (this.redis.status === 'ready') return;
    if (this.redis.status === 'wait') this.redis.connect().catch(() => undefined);
    try {
      await within(this.#up.passed, bounds);
    } catch (error) {
      throw error instanceof TimeUp ? (this.#lastError ?? error) : error;
    }
  }

  close(): void {
    this.redis.disconnect();
  }
}

interface Gate {
  readonly passed: Promise<void>;
  isOpen: boolean;
  open(): void;
}

function newGate(): Gate {
  let resolve = (): void => undefined;
  const passed = new Promise<void>((done) => {
    resolve = done;
  });
  const gate: Gate = {
    passed,
    isOpen: false,
    open: () => {
      gate.isOpen = true;
      resolve();
    },
  };
  return gate;
}
