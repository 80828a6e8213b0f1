// Readers of files that anybody may have written: nearly right bytes are read or refused, and never anything else.

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkpointText, parseCheckpoint } from '../../../audit/checkpoint.ts';
import { checkpointFileName } from '../../../audit/checkpoint-files.ts';
import {
  headerLine,
  parseEnd,
  parseHeader,
  parseRecordLine,
  placeOf,
  recordLine,
} from '../../../audit/export-format.ts';
import { KeyFormatError, parsePublicKey } from '../../../audit/keys.ts';
import { LogBook } from '../../../audit/log-book.ts';
import { openNote } from '../../../audit/note.ts';
import { mutantsOf } from '../../contract/mutants.ts';
import { useRedis } from '../protocol/bench-queue.ts';
import { Archive } from './archive.ts';

const COUNT = 3_000;

const bench = useRedis();
let archive: Archive;
let lines: Buffer[];
let note: Buffer;

beforeAll(async () => {
  const queue = bench.queue();
  archive = await Archive.of(queue);
  const text = readFileSync(await archive.export(queue), 'latin1');
  lines = text
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'latin1'));
  note = readFileSync(join(archive.checkpoints, checkpointFileName(2)));
});

afterAll(() => archive.remove());

it('lines of an export: what is read is what was written', () => {
  let read = 0;
  for (const mutant of mutantsOf(lines, { count: COUNT, seed: 7 })) {
    const header = parseHeader(mutant);
    if (header !== null) expect(headerLine(header.queue, header.after)).toBe(`${mutant}\n`);
    const record = parseRecordLine(mutant);
    if (record !== null && isUtf8(mutant) && !mutant.includes('\n'))
      expect(recordLine(record).toString()).toBe(`${mutant}\n`);
    if (record !== null) read += 1;
    expect([parseEnd(mutant), placeOf(mutant)]).toHaveLength(2);
  }
  expect(read).toBeGreaterThan(100);
});

it('records: a book takes any of them and says what is wrong', () => {
  let faults = 0;
  for (const mutant of mutantsOf(lines, { count: COUNT, seed: 8 })) {
    const record = parseRecordLine(mutant);
    if (record === null) continue;
    const book = new LogBook([], false);
    expect(book.begin('q', [])).toBeNull();
    book.take({ ...record, seq: 1, log: 'w-1' }, { file: null, line: null });
    faults += book.end(true).length;
  }
  expect(faults).toBeGreaterThan(100);
});

it('checkpoints and keys: nothing but the note itself opens, nothing but a key is one', () => {
  const key = archive.key.publicKey;
  for (const mutant of mutantsOf([note], { count: COUNT, seed: 9 })) {
    const opened = openNote(mutant, key);
    if ('text' in opened) expect(mutant.equals(note)).toBe(true);
    const text = mutant.toString();
    const checkpoint = parseCheckpoint(text.slice(0, text.indexOf('\n\n') + 1));
    if (checkpoint !== null) expect(text.startsWith(checkpointText(checkpoint))).toBe(true);
    expect(() => parsePublicKey(text)).toThrow(KeyFormatError);
  }
});
