// Whether this worker still gets anywhere. `isRunning()`, a ping and a connection that is `ready` all look well while a fetch hangs
// for ever; so what counts is what Redis has answered: with a slot free, that the fetch came round; with none, that locks are kept.

/**
 * With a slot free BullMQ asks at least every 5 s (its `drainDelay`), and gives a blocked fetch up after 6. Milliseconds: so long
 * may nothing have come round.
 */
export const ROUND_MS = 15_000;

export interface ProgressOptions {
  slots: number;
  /** How long a lock lives without renewal, in milliseconds: with every slot taken, renewals are all there is to see. */
  lockMs: number;
  /** Milliseconds of a monotonic clock. */
  now?(): number;
}

/** The consumer's progress against Redis. It begins when this is made. */
export class Progress {
  readonly #slots: number;
  readonly #lockMs: number;
  readonly #now: () => number;
  #fetchedAt: number;
  #renewedAt: number;
  /** Since when a fetch has been due: a slot is free. */
  #freeSince: number;
  #taken = 0;
  #isOver = false;

  constructor({ slots, lockMs, now = () => performance.now() }: ProgressOptions) {
    this.#slots = slots;
    this.#lockMs = lockMs;
    this.#now = now;
    this.#fetchedAt = now();
    this.#renewedAt = now();
    this.#freeSince = now();
  }

  /** Redis answered a fetch, with a job or with none. */
  fetched(): void {
    this.#fetchedAt = this.#now();
  }

  /** Redis renewed locks. With a slot free this says nothing: a fetch may hang all the same. */
  renewed(): void {
    this.#renewedAt = this.#now();
  }

  /** A job was delivered: BullMQ also fetches one while it finishes another. */
  took(): void {
    this.#taken += 1;
    this.fetched();
  }

  /** A job is settled or handed back. */
  settled(): void {
    if (this.#taken >= this.#slots) this.#freeSince = this.#now();
    this.#taken -= 1;
  }

  /** Nothing is fetched any more, on purpose: from now on nothing is due. */
  stop(): void {
    this.#isOver = true;
  }

  /** Milliseconds since Redis last answered a fetch or a renewal. */
  get silentMs(): number {
    return this.#now() - Math.max(this.#fetchedAt, this.#renewedAt);
  }

  /** Why there is no progress; null when there is, or when none is due. */
  fault(): string | null {
    if (this.#isOver) return null;
    const isFull = this.#taken >= this.#slots;
    const limitMs = isFull ? this.#lockMs : ROUND_MS;
    const overdueMs = isFull ? this.silentMs : this.#now() - Math.max(this.#fetchedAt, this.#freeSince);
    if (overdueMs <= limitMs) return null;
    const what = isFull ? 'no lock was renewed' : 'the fetch has not come round';
    return `${what} for ${seconds(overdueMs)} (limit: ${seconds(limitMs)})`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
