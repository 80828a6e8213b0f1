// A worker that can't reach Redis can't know whether its jobs are still its own. Another worker takes a job over once its
// lock has expired; so what runs here must be dead by then, Redis or no Redis. All times are of the engine's clock, and are
// those at which a command was *sent*: the lock is never younger than we think.
//
// The fence is two-fold. While this process runs it ends what is too old itself. And each execution has a tenure in the forkserver, which
// is extended with every renewal and heartbeat: should this process be stopped, or hang, the forkserver ends what it was not told
// to keep. That happens a little later, so that it is the exception, and before the lock's end, so that nobody runs the job twice at a time.

/** A kill takes time too: it starts this long before the lock's end. */
export function fenceMarginMs(lockMs: number): number {
  return Math.min(5_000, Math.max(200, Math.floor(lockMs / 5)));
}

/** For how long a lock, or a heartbeat, that was asked for at a moment keeps an execution alive in the forkserver. */
export function tenureMs(lockMs: number): number {
  return lockMs - Math.floor(fenceMarginMs(lockMs) / 2);
}

export interface SelfFenceOptions {
  /** How long a lock lives without renewal, in milliseconds. */
  lockMs: number;
  /** Called once per execution whose lock was not renewed in time: must end it. */
  fence(uid: string): void;
  /** Called for each execution whose lock was renewed, and for all with a heartbeat: it may go on until then. */
  extend(uid: string, untilMs: number): void;
  /** Milliseconds of a clock that nobody sets and that goes on while the machine sleeps. */
  now(): number;
}

/** Watches the age of each execution's lock, and of the worker's heartbeat, and ends what is too old. */
export class SelfFence {
  readonly #limitMs: number;
  readonly #tenureMs: number;
  readonly #periodMs: number;
  readonly #fence: (uid: string) => void;
  readonly #extend: (uid: string, untilMs: number) => void;
  /** Milliseconds of the clock on which all of this is told. */
  readonly now: () => number;
  readonly #renewedAt = new Map<string, number>();
  #beatAt: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: SelfFenceOptions) {
    this.#limitMs = options.lockMs - fenceMarginMs(options.lockMs);
    this.#tenureMs = tenureMs(options.lockMs);
    this.#periodMs = fenceMarginMs(options.lockMs) / 4;
    this.#fence = options.fence;
    this.#extend = options.extend;
    this.now = options.now;
    this.#beatAt = this.now();
  }

  /** Starts looking, four times per margin. The heartbeat counts as fresh. */
  start(): void {
    this.#beatAt = this.now();
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
    return this.now() - (this.#renewedAt.get(uid) ?? Number.NEGATIVE_INFINITY) < this.#limitMs;
  }

  /** Until when an execution may go on by what is known now: not at all without a lock. */
  tenureOf(uid: string): number {
    const renewedAt = this.#renewedAt.get(uid);
    return renewedAt === undefined ? 0 : Math.max(0, Math.min(renewedAt, this.#beatAt) + this.#tenureMs);
  }

  /** This lock is known to be gone: ends its execution now. */
  lose(uid: string): void {
    if (this.#renewedAt.delete(uid)) this.#fence(uid);
  }

  /** These locks were renewed by a command sent at `sentAt`. */
  renewed(uids: readonly string[], sentAt: number): void {
    for (const uid of uids) {
      if (!this.#renewedAt.has(uid)) continue;
      this.#renewedAt.set(uid, sentAt);
      this.#extend(uid, this.tenureOf(uid));
    }
  }

  /** A heartbeat sent at `sentAt` was answered. */
  beat(sentAt: number): void {
    this.#beatAt = Math.max(this.#beatAt, sentAt);
    for (const uid of this.#renewedAt.keys()) this.#extend(uid, this.tenureOf(uid));
  }

  /** Ends every execution whose lock, or whose worker's heartbeat, is too old. Each is ended once. */
  check(): void {
    const oldest = this.now() - this.#limitMs;
    const silent = this.#beatAt <= oldest;
    for (const [uid, renewedAt] of this.#renewedAt) {
      if (!silent && renewedAt > oldest) continue;
      this.lose(uid);
    }
  }
}
