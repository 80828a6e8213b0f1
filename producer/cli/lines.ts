/** One line of a stream without its line end, or the fact that it was longer than allowed (its bytes are dropped). */
export type Line = { bytes: Uint8Array } | { tooLong: true };

const NEWLINE = 0x0a;

/** Splits a stream at newlines, holding at most `maxBytes` and one chunk. Empty lines are left out. */
export async function* readLines(stream: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  const line = new PartialLine(maxBytes);
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      line.add(chunk.subarray(from, end));
      from = end + 1;
      yield* line.take();
    }
    line.add(chunk.subarray(from));
  }
  yield* line.take();
}

class PartialLine {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length <= this.#maxBytes) this.#parts.push(part);
    else this.#parts = [];
  }

  *take(): Generator<Line> {
    const bytes = Buffer.concat(this.#parts);
    const tooLong = this.#length > this.#maxBytes;
    this.#parts = [];
    this.#length = 0;
    if (tooLong) yield { tooLong };
    else if (bytes.toString('latin1').trim() !== '') yield { bytes };
  }
}
