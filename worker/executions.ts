import type { Execution, KillReason } from './engine.ts';

/**
 * A job from its delivery to its settlement. A kill may come at any time, also before there is anything to kill: it is
 * remembered, and the first one wins.
 */
export class Running {
  readonly uid: string;
  #execution: Execution | null = null;
  #killedBy: KillReason | null = null;
  #fenced = false;
  /** It has not begun, and whoever ends it meanwhile is welcome. */
  waitsForRoom = false;
  #attempt: { epoch: number; attempts: number } | null = null;

  constructor(uid: string) {
    this.uid = uid;
  }

  /** The worker gave the job up: it may be another's by now. */
  get fenced(): boolean {
    return this.#fenced;
  }

  /** Why it was ended from outside; null while it was not. */
  get killedBy(): KillReason | null {
    return this.#killedBy;
  }

  /** Whether its current attempt is not its last. False before it began. */
  get mayBeginAgain(): boolean {
    return this.#attempt !== null && this.#attempt.epoch < this.#attempt.attempts;
  }

  /** It has begun: attempt `epoch` of `attempts`. */
  began(epoch: number, attempts: number): void {
    this.#attempt = { epoch, attempts };
  }

  /** Its sandbox is on the way. */
  attach(execution: Execution): void {
    this.#execution = execution;
    if (this.#killedBy !== null) execution.kill(this.#killedBy);
  }

  kill(reason: KillReason): void {
    this.#killedBy ??= reason;
    this.#execution?.kill(this.#killedBy);
  }

  /** Its sandbox may go on until then, if there is one. */
  extend(untilMs: number): void {
    this.#execution?.extend(untilMs);
  }

  /** Ends it for good on this worker. */
  fence(): void {
    this.#fenced = true;
    this.kill('lock-lost');
  }
}

/** What this worker has in hand, by uid. */
export class Executions {
  readonly #running = new Map<string, Running>();
  readonly #goneWaiters = new Map<string, (() => void)[]>();

  get size(): number {
    return this.#running.size;
  }

  get uids(): string[] {
    return [...this.#running.keys()];
  }

  /** True when this worker has begun a job, or is about to. */
  isBusyWith(uid: string): boolean {
    const running = this.#running.get(uid);
    return running !== undefined && !running.waitsForRoom;
  }

  /** Takes a job in hand. It must not be in hand already. */
  open(uid: string): Running {
    if (this.#running.has(uid)) throw new Error(`${uid} is in hand already`);
    const running = new Running(uid);
    this.#running.set(uid, running);
    return running;
  }

  /** Lets go of a job that is settled. */
  close({ uid }: Running): void {
    this.#running.delete(uid);
    for (const wake of this.#goneWaiters.get(uid) ?? []) wake();
    this.#goneWaiters.delete(uid);
  }

  /** Ends a job, if it is in hand. */
  kill(uid: string, reason: KillReason): void {
    this.#running.get(uid)?.kill(reason);
  }

  /** A job may go on until then. */
  extend(uid: string, untilMs: number): void {
    this.#running.get(uid)?.extend(untilMs);
  }

  /** Ends a job that may belong to another worker by now. */
  fence(uid: string): void {
    this.#running.get(uid)?.fence();
  }

  killAll(reason: KillReason): void {
    for (const running of this.#running.values()) running.kill(reason);
  }

  /** Ends those that may begin again elsewhere: their result, `worker-lost`, sends them back to the queue. */
  handBack(): void {
    for (const running of this.#running.values()) {
      if (running.mayBeginAgain) running.kill('drain');
    }
  }

  /** Resolves once a job is not in hand. */
  async whenGone(uid: string): Promise<void> {
    while (this.#running.has(uid)) {
      await new Promise<void>((wake) => {
        this.#goneWaiters.set(uid, [...(this.#goneWaiters.get(uid) ?? []), wake]);
      });
    }
  }
}
