// The lines of a file, one at a time, each of a bounded length.

import { createReadStream } from 'node:fs';

const NEWLINE = 0x0a;

/** A line without its newline; `ended` is false for what follows the last newline. Bytes beyond the bound are null. */
export interface FileLine {
  readonly bytes: Buffer | null;
  readonly ended: boolean;
}

/** Reads a file line by line and holds one line; ends after the first that is longer than `maxBytes`. */
export async function* linesOf(path: string, maxBytes: number): AsyncGenerator<FileLine> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const bytes = Buffer.concat([rest, chunk.subarray(from, end)]);
      if (bytes.length > maxBytes) return yield { bytes: null, ended: true };
      yield { bytes, ended: true };
      rest = Buffer.alloc(0);
      from = end + 1;
    }
    rest = Buffer.concat([rest, chunk.subarray(from)]);
    if (rest.length > maxBytes) return yield { bytes: null, ended: false };
  }
  if (rest.length > 0) yield { bytes: rest, ended: false };
}
