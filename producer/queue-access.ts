import { setMaxListeners } from 'node:events';
import type { Queue } from 'bullmq';
import { addReleased, BlobCorruptError, openBullQueue, Protocol, Waiter } from '../protocol/index.ts';
import type { QueueStats } from './api.ts';
import { ProducerClosedError, QueueUnavailableError } from './errors.ts';
import { Link } from './link.ts';
import type { ProducerSettings } from './options.ts';
import { Tracing } from './tracing.ts';
import { within } from './within.ts';

const DESCRIBE_TIMEOUT_MS = 500;
const CLOSE_TIMEOUT_MS = 500;

/** What an exchange is limited by. */
export interface Limits {
  /** When it must be over, by `performance.now()`. */
  until: number;
  signal?: AbortSignal | undefined;
}

export type Question<T> = (protocol: Protocol) => Promise<T>;

export interface Patience {
  signal?: AbortSignal | undefined;
  /** Milliseconds more for an answer that may be large. */
  transferMs?: number;
}

/** A producer's way to its queue: every exchange with Redis is bounded in time and ends when the producer closes. */
export class QueueAccess {
  readonly waiter: Waiter;
  readonly tracing: Tracing;
  /** Milliseconds that Redis has to be there and answer. */
  readonly timeoutMs: number;
  readonly #queue: string;
  readonly #link: Link;
  readonly #protocol: Protocol;
  readonly #closing = new AbortController();
  #bull: Queue | null = null;

  constructor({ redis, queue, connectTimeoutMs, tracing }: ProducerSettings) {
    this.#queue = queue;
    this.tracing = new Tracing(tracing);
    this.timeoutMs = connectTimeoutMs;
    this.#link = new Link(redis);
    this.#protocol = new Protocol(this.#link.redis, queue);
    this.waiter = new Waiter(this.#link.redis, queue);
    setMaxListeners(0, this.#closing.signal);
  }

  /** Aborts, with `ProducerClosedError`, when the producer closes. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** One question about a job (or none: `null`). Throws `QueueUnavailableError` when there is no answer in time. */
  async ask<T>(id: string | null, question: Question<T>, { signal, transferMs = 0 }: Patience = {}): Promise<T> {
    try {
      await this.connected({ until: performance.now() + this.timeoutMs, signal });
      return await this.exchange(question, { until: performance.now() + this.timeoutMs + transferMs, signal });
    } catch (error) {
      if (this.closing.aborted || signal?.aborted || isNotOfRedis(error)) throw error;
      throw new QueueUnavailableError(id, 'unknown', error);
    }
  }

  /** As `ask`, with the failure as it comes: of Redis, of the connection, `TimeUp`, or a signal's reason. */
  async exchange<T>(work: Question<T>, { until, signal }: Limits): Promise<T> {
    await this.connected({ until, signal });
    return within(work(this.#protocol), { ms: until - performance.now(), signals: [this.closing, signal] });
  }

  /** Waits until Redis takes commands. */
  connected({ until, signal }: Limits): Promise<void> {
    return this.#link.ready({ ms: until - performance.now(), signals: [this.closing, signal] });
  }

  /** Hands released jobs to BullMQ. What fails here is repaired by the workers' sweep: the job is accepted already. */
  async dispatch(uids: string[]): Promise<void> {
    if (uids.length === 0) return;
    this.#bull ??= this.#openBull();
    const added = addReleased(this.#bull, uids);
    await within(added, { ms: this.timeoutMs, signals: [this.closing] }).catch(() => undefined);
  }

  async stats(id: string | null = null): Promise<QueueStats> {
    const stats = await this.ask(id, (protocol) => protocol.stats());
    return { ...stats, liveWorkers: stats.workers.length };
  }

  /** Where a job is and who could run it, as far as Redis says within half a second. */
  async describe(
    tenant: string,
    id: string,
  ): Promise<{ queue: string; state: string | null; liveWorkers: number | null }> {
    const both = async (protocol: Protocol) => Promise.all([protocol.readState(tenant, id), protocol.countWorkers()]);
    const limits = { until: performance.now() + DESCRIBE_TIMEOUT_MS };
    const [job, liveWorkers] = await this.exchange(both, limits).catch(() => [null, null] as const);
    return { queue: this.#queue, state: job?.state ?? null, liveWorkers };
  }

  async close(): Promise<void> {
    if (this.closing.aborted) return;
    this.#closing.abort(new ProducerClosedError());
    await this.waiter.close();
    const closed = this.#bull?.close() ?? Promise.resolve();
    await within(closed, { ms: CLOSE_TIMEOUT_MS, signals: [] }).catch(() => undefined);
    this.#link.close();
  }

  #openBull(): Queue {
    const bull = openBullQueue(this.#link.redis, this.#queue);
    // Told by each call too; without a listener it would end the process.
    bull.on('error', () => undefined);
    return bull;
  }
}

/** A wrong argument or content that was changed: Redis being away has nothing to do with it. */
export function isNotOfRedis(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof BlobCorruptError;
}
