/** SIGINT or SIGTERM, taken from the moment this is made: what runs is ended in order instead of the process. */
export class Interruption {
  #signal: NodeJS.Signals | null = null;
  #react: (() => void) | null = null;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#interrupt(signal));
  }

  /** The first signal that came; null as long as none did. */
  get signal(): NodeJS.Signals | null {
    return this.#signal;
  }

  /** Calls `react` at the first signal, or at once if it came already. */
  whenInterrupted(react: () => void): void {
    this.#react = react;
    if (this.#signal !== null) react();
  }

  #interrupt(signal: NodeJS.Signals): void {
    if (this.#signal !== null) return;
    this.#signal = signal;
    this.#react?.();
  }
}
