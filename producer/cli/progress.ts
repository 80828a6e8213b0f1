import type { Output } from './terminal.ts';

const CLEAR_LINE = '\r\u001b[2K';

/** A line on stderr that tells how far many jobs are: only on a terminal, and only when it is wanted. */
export class Progress {
  readonly #stderr: Output;
  readonly #shown: boolean;
  readonly #counts = { fulfilled: 0, rejected: 0 };

  constructor(stderr: Output, wanted: boolean) {
    this.#stderr = stderr;
    this.#shown = wanted && stderr.isTTY === true;
  }

  count(status: 'fulfilled' | 'rejected'): void {
    this.#counts[status] += 1;
    const { fulfilled, rejected } = this.#counts;
    if (this.#shown) this.#stderr.write(`${CLEAR_LINE}${fulfilled} results, ${rejected} errors`);
  }

  /** Makes room for other output. */
  clear(): void {
    if (this.#shown) this.#stderr.write(CLEAR_LINE);
  }
}
