import type { Readable } from 'node:stream';

/** The lines of a stream, asked for one at a time. */
export class Lines {
  readonly #whole: string[] = [];
  #rest = '';
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: Readable) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.#whole.push(...lines);
      this.#wake();
    });
    stream.once('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The next line. Throws when none comes within `withinMs`, and when the stream has ended. */
  async next(withinMs: number): Promise<string> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const line = this.#whole.shift();
      if (line !== undefined) return line;
      if (this.#ended) throw new Error('it ended without an answer');
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no answer within ${withinMs} ms`);
      await this.#change(left);
    }
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
