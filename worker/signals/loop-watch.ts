// How long the event loop stands still. While it does, nothing here can say so: a probe's own time limit is the sign. Afterwards
// this tells it for a while, so that a loop which stands still again and again is not found well in between.

const TICK_MS = 250;
/** Standing still for longer is a fault. A lock of a few seconds is in danger by then. */
export const STALL_MS = 5_000;
/** So long after its end a stall is still told. */
export const TOLD_MS = 10_000;

/** Watches the event loop from when it is made until it is closed. */
export class LoopWatch {
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #tickAt: number;
  #stall = { ms: 0, endedAt: Number.NEGATIVE_INFINITY };

  /** `heard` is told at each round how late it was, in milliseconds. */
  constructor(heard: (lateMs: number) => void, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#tickAt = now();
    this.#timer = setInterval(() => heard(this.tick()), TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The loop came round; answers how late, in milliseconds. */
  tick(): number {
    const now = this.#now();
    const late = now - this.#tickAt - TICK_MS;
    this.#tickAt = now;
    const isTold = now - this.#stall.endedAt <= TOLD_MS;
    if (late > STALL_MS && (!isTold || late > this.#stall.ms)) this.#stall = { ms: late, endedAt: now };
    return late;
  }

  /** Says what was wrong lately; null when nothing was. */
  fault(): string | null {
    this.tick();
    const { ms, endedAt } = this.#stall;
    if (this.#now() - endedAt > TOLD_MS) return null;
    return `the event loop stood still for ${(ms / 1000).toFixed(1)} s`;
  }
}
