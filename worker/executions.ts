import type { Execution, KillReason } from './engine.ts';

/** A job that has begun here and has not ended yet. */
export interface Running {
  readonly uid: string;
  readonly epoch: number;
  /** How many times user code may begin in all. */
  readonly attempts: number;
  readonly execution: Execution;
  /** Set when the worker gave the job up: it may be another's by now. */
  fenced: boolean;
  /** Set when the job goes back to the queue instead of ending here. */
  handedBack: boolean;
}

/** What runs on this worker, by uid. */
export class Executions {
  readonly #running = new Map<string, Running>();
  #idleWaiters: (() => void)[] = [];

  get size(): number {
    return this.#running.size;
  }

  add(running: Running): void {
    this.#running.set(running.uid, running);
  }

  /** Forgets an execution whose end is known and settled. */
  remove(running: Running): void {
    if (this.#running.get(running.uid) === running) this.#running.delete(running.uid);
    if (this.#running.size > 0) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  /** Ends an execution; nothing happens when it is not (or no longer) here. True when it was. */
  kill(uid: string, reason: KillReason): boolean {
    const running = this.#running.get(uid);
    running?.execution.kill(reason);
    return running !== undefined;
  }

  /** Ends an execution that may belong to another worker by now. True when it was here. */
  fence(uid: string): boolean {
    const running = this.#running.get(uid);
    if (running !== undefined) running.fenced = true;
    return this.kill(uid, 'lock-lost');
  }

  /** Ends those that may begin again elsewhere, and marks them so that they go back to the queue. */
  handBack(): void {
    for (const running of this.#running.values()) {
      if (running.epoch >= running.attempts) continue;
      running.handedBack = true;
      running.execution.kill('drain');
    }
  }

  killAll(reason: KillReason): void {
    for (const running of this.#running.values()) running.execution.kill(reason);
  }

  /** Resolves once nothing runs. */
  async whenIdle(): Promise<void> {
    while (this.#running.size > 0) await new Promise<void>((wake) => this.#idleWaiters.push(wake));
  }
}
