// Reads the files of exports into the book: what they are as files, and each record.

import { createHash } from 'node:crypto';
import type { AuditFault, AuditFaultRule } from '../schemas/types.ts';
import { endLine, isEnd, LINE_MAX_BYTES, parseHeader, parseRecordLine, placeOf } from './export-format.ts';
import { linesOf } from './lines.ts';
import type { LogBook } from './log-book.ts';

/** Reads one export after another. */
export class ExportReader {
  readonly #book: LogBook;
  #isWhole = true;

  constructor(book: LogBook) {
    this.#book = book;
  }

  /** Whether every line of every file could be read. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Reads a file and says what is wrong with it as a file, the first thing only. Throws what the file system refuses. */
  async read(path: string): Promise<AuditFault | null> {
    const fault = await this.#lines(path);
    if (fault !== null) this.#isWhole = false;
    return fault;
  }

  async #lines(path: string): Promise<AuditFault | null> {
    const hash = createHash('sha256');
    let [number, records, hasEnded] = [0, 0, false];
    for await (const { bytes, ended } of linesOf(path, LINE_MAX_BYTES)) {
      number += 1;
      const source = { file: path, line: number };
      if (hasEnded) return fault('export', 'something follows the last line', source);
      if (bytes === null || !ended) return fault('line', 'this line is too long, or is not whole', source);
      if (number === 1) {
        const wrong = this.#header(bytes);
        if (wrong !== null) return fault('export', wrong, source);
      } else if (isEnd(bytes)) {
        const wrong = this.#end(bytes, records, hash.digest('hex'));
        if (wrong !== null) return fault('export', wrong, source);
        hasEnded = true;
        continue;
      } else {
        const record = parseRecordLine(bytes);
        if (record === null) return { ...fault('line', 'this line is no record', source), ...placeOf(bytes) };
        this.#book.take(record, source);
        records += 1;
      }
      hash.update(bytes).update('\n');
    }
    return hasEnded
      ? null
      : fault('export', 'its last line is not there: it was cut off', { file: path, line: number });
  }

  #header(line: Buffer): string | null {
    const header = parseHeader(line);
    return header === null ? 'it does not begin as an export does' : this.#book.begin(header.queue, header.after);
  }

  /** The last line must be the one that follows from all before it. After a fault of a record nobody can say which that is. */
  #end(line: Buffer, records: number, sha256: string): string | null {
    if (this.#book.hasFaults) return null;
    const expected = endLine({ records, heads: this.#book.heads, sha256 });
    return expected === `${line.toString()}\n`
      ? null
      : 'its last line does not fit what is before it: something was changed';
  }
}

function fault(rule: AuditFaultRule, message: string, source: { file: string; line: number }): AuditFault {
  return { rule, message, log: null, seq: null, ...source };
}
