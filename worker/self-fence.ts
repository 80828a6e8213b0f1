// A worker that can't reach Redis can't know whether its jobs are still its own. Another worker takes a job over once its
// lock has expired; so what runs here must be dead by then, Redis or no Redis. All times are of a monotonic clock, and are
// those at which a command was *sent*: the lock is never younger than we think.

/** A kill takes time too: it starts this long before the lock's end. */
export function fenceMarginMs(lockMs: number): number {
  return Math.min(5_000, Math.max(200, Math.floor(lockMs / 5)));
}

export interface SelfFenceOptions {
  /** How long a lock lives without renewal, in milliseconds. */
  lockMs: number;
  /** Called once per execution whose lock was not renewed in time: must end it. */
  fence(uid: string): void;
  /** Milliseconds of a monotonic clock. */
  now?(): number;
}

/** Watches the age of each execution's lock, and of the worker's heartbeat, and ends what is too old. */
export class SelfFence {
  readonly #limitMs: number;
  readonly #periodMs: number;
  readonly #fence: (uid: string) => void;
  readonly #now: () => number;
  readonly #renewedAt = new Map<string, number>();
  #beatAt: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: SelfFenceOptions) {
    this.#limitMs = options.lockMs - fenceMarginMs(options.lockMs);
    this.#periodMs = fenceMarginMs(options.lockMs) / 4;
    this.#fence = options.fence;
    this.#now = options.now ?? (() => performance.now());
    this.#beatAt = this.#now();
  }

  /** Starts looking, four times per margin. The heartbeat counts as fresh. */
  start(): void {
    this.#beatAt = this.#now();
    this.#timer = setInterval(() => this.check(), this.#periodMs);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** From now on this execution needs its lock. `lockedAt`: when the lock was asked for. */
  watch(uid: string, lockedAt: number): void {
    this.#renewedAt.set(uid, lockedAt);
  }

  unwatch(uid: string): void {
    this.#renewedAt.delete(uid);
  }

  /** True while the lock is ours for all we know, and young enough to begin something under it. */
  holds(uid: string): boolean {
    return this.#now() - (this.#renewedAt.get(uid) ?? Number.NEGATIVE_INFINITY) < this.#limitMs;
  }

  /** This lock is known to be gone: ends its execution now. */
  lose(uid: string): void {
    if (this.#renewedAt.delete(uid)) this.#fence(uid);
  }

  /** These locks were renewed by a command sent at `sentAt`. */
  renewed(uids: readonly string[], sentAt: number): void {
    for (const uid of uids) {
      if (this.#renewedAt.has(uid)) this.#renewedAt.set(uid, sentAt);
    }
  }

  /** A heartbeat sent at `sentAt` was answered. */
  beat(sentAt: number): void {
    this.#beatAt = Math.max(this.#beatAt, sentAt);
  }

  /** Ends every execution whose lock, or whose worker's heartbeat, is too old. Each is ended once. */
  check(): void {
    const oldest = this.#now() - this.#limitMs;
    const silent = this.#beatAt <= oldest;
    for (const [uid, renewedAt] of this.#renewedAt) {
      if (!silent && renewedAt > oldest) continue;
      this.lose(uid);
    }
  }
}
